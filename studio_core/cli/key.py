"""`studio keys admin`: the key that was made at the first start."""

from __future__ import annotations

import argparse

from studio_core import daemon
from studio_core.paths import Places
from studio_core.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("which", choices=["admin"], help="which key")


def run(options: argparse.Namespace, settings: Settings) -> int:
    places = Places(settings.state_dir)
    if not places.admin_key.exists():
        daemon.ensure(settings)
    print(places.admin_key.read_text(encoding="ascii").strip())
    return 0
