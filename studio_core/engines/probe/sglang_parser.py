"""Asks an installed SGLang for its flags, types, choices and parsers: `ENGINE/bin/python sglang_parser.py`, JSON on stdout.

    {"engine": "sglang", "version": "0.5.23", "tool_parsers": [...], "reasoning_parsers": [...], "flags": [FLAG...]}

A FLAG is described in form.py. The parser is the one of `python -m sglang.launch_server` itself. Seen with 0.5.23 without a
GPU and without SGLang's kernels, which it does not import to know its arguments. Its parsers are the choices of two flags.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import sys
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
if __name__ == "__main__":
    sys.path.insert(0, ROOT)
from studio_core.engines.probe import form  # noqa: E402

if __name__ == "__main__":
    # Only this one place: Studio may be installed beside the engine.
    sys.path.remove(ROOT)

PARSERS = {"tool_parsers": "--tool-call-parser", "reasoning_parsers": "--reasoning-parser"}
# Found from the model by the engine; no parser by itself.
AUTO = "auto"


def answered() -> dict[str, Any]:
    flags = form.rows(parser())
    choices = {row["flag"]: row.get("choices", []) for row in flags}
    found = {name: sorted(value for value in choices.get(flag, []) if value != AUTO) for name, flag in PARSERS.items()}
    return {"engine": "sglang", "version": importlib.metadata.version("sglang"), **found, "flags": flags}


def parser() -> argparse.ArgumentParser:
    """The argument parser, as the command line itself makes it."""
    whole = argparse.ArgumentParser(prog="sglang serve")
    importlib.import_module("sglang.srt.server_args").ServerArgs.add_cli_args(whole)
    return whole


if __name__ == "__main__":
    form.answer(["sglang", "serve"], answered, HERE)
