"""`studio doctor`: check this machine and explain. It looks and changes nothing; 1 when something cannot work."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict

from studio_core.cli.table import as_json
from studio_core.doctor.examination import examine
from studio_core.doctor.finding import FAIL, OK, WARN, Finding
from studio_core.doctor.subject import Subject
from studio_core.settings import Settings
from studio_core.text import line


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    found = []
    for finding in examine(Subject(settings, os.environ)):
        found.append(finding)
        if not options.json:
            print(_text(finding), flush=True)
    counts = {level: sum(one.level == level for one in found) for level in (OK, WARN, FAIL)}
    if options.json:
        print(as_json({"counts": counts, "findings": [asdict(one) for one in found]}))
    else:
        print(f"\n{counts[OK]} ok, {counts[WARN]} to know, {counts[FAIL]} to repair")
    return 1 if counts[FAIL] else 0


def _text(finding: Finding) -> str:
    """The finding on a line, its remedy on the next."""
    why = f": {line(finding.why)}" if finding.why else ""
    remedy = f"\n{'':<24}do: {line(finding.remedy)}" if finding.remedy else ""
    return f"{finding.level:<5} {finding.check:<17} {line(finding.what)}{why}{remedy}"
