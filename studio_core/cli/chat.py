"""`studio chat NAME [PROMPT]`: one question, or a conversation until the end of input. It is stored like any chat."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from studio_core import daemon
from studio_core.client import Client
from studio_core.errors import Unavailable
from studio_core.settings import Settings
from studio_core.text import Sanitiser


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the recipe")
    parser.add_argument("prompt", nargs="*", help="the question; without it you are asked")


def run(options: argparse.Namespace, settings: Settings) -> int:
    client = daemon.ensure(settings, options.overrides)
    chat = client.new_chat(options.name).id
    if options.prompt:
        _ask(client, chat, " ".join(options.prompt), options.name)
        return 0
    while True:
        print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return 0
        if line.strip():
            _ask(client, chat, line.strip(), options.name)


def _ask(client: Client, chat: str, prompt: str, model: str) -> None:
    sanitiser = Sanitiser()
    for event in client.turn(chat, prompt, model):
        data: Any = event.data
        if event.event == "delta":
            print(sanitiser.feed(data["content"]), end="", flush=True)
        elif event.event == "error":
            raise Unavailable(data.get("title", "the model did not answer"), data.get("detail", ""), data.get("hint", ""))
    print()
