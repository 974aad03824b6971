"""`python -S -s -E studio_core/shim INSTANCE_FOLDER`: the parent of exactly one engine.

Run by its path with a bare interpreter, so that it stays small; standard library only, one thread.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)
    from studio_core.shim.program import main

    main(Path(sys.argv[1]))
