"""`python -m studio_core` is `studio`."""

from studio_core.cli.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
