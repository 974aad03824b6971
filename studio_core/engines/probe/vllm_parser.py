"""Asks an installed vLLM for its flags, types, choices and parsers: `ENGINE/bin/python vllm_parser.py`, JSON on stdout.

    {"engine": "vllm", "version": "0.32.0", "tool_parsers": [...], "reasoning_parsers": [...], "variables": [...],
     "flags": [FLAG...]}

A FLAG is described in form.py. The parser is the one of `vllm serve` itself. Seen with 0.32.0, where it takes 8 s.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterable
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
if __name__ == "__main__":
    sys.path.insert(0, ROOT)
from studio_core.engines.probe import form  # noqa: E402

if __name__ == "__main__":
    # Only this one place: Studio may be installed beside the engine.
    sys.path.remove(ROOT)

# Module and attribute, by version: the newest first.
PARSER_CLASS = (("vllm.utils.argparse_utils", "FlexibleArgumentParser"), ("vllm.utils", "FlexibleArgumentParser"))
TOOL_PARSERS = (("vllm.tool_parsers", "ToolParserManager"), ("vllm.entrypoints.openai.tool_parsers", "ToolParserManager"))
VARIABLES = (("vllm.envs", "environment_variables"),)
REASONING_PARSERS = (("vllm.reasoning", "ReasoningParserManager"),)


def answered() -> dict[str, Any]:
    return {
        "engine": "vllm",
        "version": importlib.import_module("vllm").__version__,
        "tool_parsers": registered(TOOL_PARSERS),
        "reasoning_parsers": registered(REASONING_PARSERS),
        "variables": sorted(form.first(VARIABLES) or ()),
        "flags": form.rows(parser()),
    }


def registered(ways: Iterable[tuple[str, str]]) -> list[str]:
    found: Any = form.first(ways)
    with contextlib.suppress(AttributeError):
        return sorted(found.list_registered())
    return []


def parser() -> Any:
    """The argument parser of `vllm serve`, as the command line itself makes it."""
    serve = importlib.import_module("vllm.entrypoints.cli.serve")
    whole = form.first(PARSER_CLASS)()
    return serve.cmd_init()[0].subparser_init(whole.add_subparsers(dest="subparser"))


if __name__ == "__main__":
    # Help texts are made only on --help.
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    form.answer(["vllm", "serve", "--help"], answered, HERE)
