"""Records the contract of a real TabbyAPI: `STUDIO_TEST_TABBY=CHECKOUT python -m tests.engines.record_tabby`.

The checkout needs an environment of its own with TabbyAPI's base requirements (no torch, no exllamav3, no GPU), in `venv`.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import tempfile
from pathlib import Path

from tests.engines import tabby_contract

VARIABLE = "STUDIO_TEST_TABBY"


def command() -> tuple[str, ...]:
    """Interpreter and main.py of the checkout; KeyError without one."""
    home = Path(os.environ[VARIABLE]).expanduser().absolute()
    return (str(home / "venv" / "bin" / "python"), str(home / "main.py"))


def commit() -> str:
    """Which state of TabbyAPI it is, if the checkout knows."""
    argv = ["git", "-C", os.environ[VARIABLE], "rev-parse", "HEAD"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="tabby-") as name:
        seen = tabby_contract.observed(command(), Path(name))
    head = {"engine": "tabbyapi", "source": "recorded from the real server, without a model", "commit": commit(),
            "date": datetime.date.today().isoformat()}
    tabby_contract.FILE.parent.mkdir(parents=True, exist_ok=True)
    tabby_contract.FILE.write_text(json.dumps({**head, **seen}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
