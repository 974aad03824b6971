"""`studio chat NAME [PROMPT]`: one question, or a conversation until the end of input. It is stored like any chat."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any

import msgspec

from studio_core import daemon, wire
from studio_core.client import Client, told
from studio_core.errors import NotFound, StudioError, Unavailable
from studio_core.settings import Settings
from studio_core.text import Sanitiser


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the recipe")
    parser.add_argument("prompt", nargs="*", help="the question; without it you are asked")


def run(options: argparse.Namespace, settings: Settings) -> int:
    client = daemon.ensure(settings)
    _refuse_unknown(client, options.name)
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


def _refuse_unknown(client: Client, name: str) -> None:
    """Before a chat is made that nobody could answer. Raises NotFound."""
    recipes = client.recipes()
    names = {one.id for one in recipes}.union(
        *([one.recipe.get("served_model_name"), *one.recipe.get("aliases", ())] for one in recipes),
        *(one.served_names for one in client.instances()),
    )
    if name not in names:
        raise NotFound(f"no recipe {name}", "", "see: studio recipes")


def _ask(client: Client, chat: str, prompt: str, model: str) -> None:
    """The answer, as it comes. Ctrl-C stops it; what came is kept in the chat."""
    try:
        _print(client, chat, prompt, model)
    except KeyboardInterrupt:
        print()
        with contextlib.suppress(StudioError):
            client.stop_turn(chat)
        raise


def _print(client: Client, chat: str, prompt: str, model: str) -> None:
    """Raises Unavailable when its end is missing."""
    sanitiser = Sanitiser()
    with contextlib.closing(client.turn(chat, prompt, model)) as stream:
        for event in stream:
            data: Any = event.data
            if event.event == "delta":
                print(sanitiser.feed(data["content"]), end="", flush=True)
            elif event.event == "error":
                print()
                raise told(msgspec.convert(data, wire.Problem))
            elif event.event == "done":
                print()
                return
    print()
    raise Unavailable("the answer was cut off", "what came is kept in the chat", "see: studio status")
