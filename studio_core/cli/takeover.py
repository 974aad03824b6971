"""`studio import vllm-studio [PATH]`: take over recipes, chats, MCP servers and figures of vLLM Studio."""

from __future__ import annotations

import argparse
from pathlib import Path

from studio_core import daemon
from studio_core.cli.table import as_json, table
from studio_core.errors import NotFound
from studio_core.settings import Settings
from studio_core.store.legacy import old_database
from studio_core.text import clean


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["vllm-studio"], help="whose data")
    parser.add_argument("path", nargs="?", type=Path, help="controller.db or its folder; without it ./data/controller.db")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    path = options.path or old_database(Path.cwd())
    if path is None:
        raise NotFound("which database?", "there is no ./data/controller.db here", "studio import vllm-studio PATH")
    report = daemon.ensure(settings).take_over(path.absolute())
    if options.json:
        print(as_json(report))
        return 0
    rows = [[name, str(one.taken), str(one.already), str(one.skipped)] for name, one in report.tables.items()]
    print(table(["TABLE", "TAKEN", "HERE ALREADY", "SKIPPED"], rows))
    for note in report.notes:
        print(clean(note))
    return 0
