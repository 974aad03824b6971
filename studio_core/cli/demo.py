"""`studio demo`: a real model in one command, from an empty machine to the app."""

from __future__ import annotations

import argparse
import sys
from typing import TextIO

from studio_core import daemon
from studio_core.cli.app import app
from studio_core.engines.llamacpp import launcher
from studio_core.models.fetch import DEMO, fetch
from studio_core.paths import Places, cache_dir
from studio_core.recipes.recipe import Recipe, parse
from studio_core.settings import Settings
from studio_core.text import clean

RECIPE_ID = "demo"
CONTEXT = 2048
# The model's own template puts a system prompt before everything, with which it answers nonsense at temperature 0.
TEMPLATE = "chatml"
BAR = 30


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-open", action="store_true", help="do all but open the app")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Fetch the model, write the recipe, start the daemons, open the app on it.

    Raises:
        StudioError: no network, no llama.cpp server, no state directory.
    """
    if not settings.url:
        # What cannot be used is said before 100 MB are fetched for it.
        Places(settings.state_dir).create()
    bar = Bar(sys.stderr)
    path = fetch(DEMO, cache_dir() / "models", bar.tell)
    bar.end()
    recipe = demo_recipe(str(path))
    server = launcher(recipe, settings)
    client = daemon.ensure(settings)
    if not any(view.id == RECIPE_ID and view.model_path == recipe.model_path for view in client.recipes()):
        client.put_recipe(recipe.stored())
    for notice in client.status().notices:
        print(clean(notice))
    print(f"model   {path}\nserver  {server.label}")
    print(f"recipe  {RECIPE_ID}: start it with Enter in the app, or with: studio launch {RECIPE_ID}")
    return 0 if options.no_open else app(settings, RECIPE_ID)


def demo_recipe(path: str) -> Recipe:
    """The recipe as it is first written; what a person changes in it afterwards stays."""
    return parse({
        "id": RECIPE_ID, "name": "SmolLM2 135M Instruct", "model_path": path, "backend": "llamacpp",
        "max_model_len": CONTEXT, "served_model_name": RECIPE_ID, "extra_args": {"chat_template": TEMPLATE},
        "description": "the demo: a small real chat model on the CPU",
    })


class Bar:
    """Progress on a terminal, redrawn at each percent; elsewhere one line per step."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._shown = ("", -1)

    def tell(self, step: str, done: int, total: int) -> None:
        percent = done * 100 // total
        if (step, percent) == self._shown or (not self._live and step == self._shown[0]):
            return
        if step != self._shown[0]:
            self.end()
        self._shown = (step, percent)
        if self._live:
            full = percent * BAR // 100
            size = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
            self._stream.write(f"\r{step:<12} [{'#' * full}{'.' * (BAR - full)}] {percent:>3}%  {size}\x1b[K")
        else:
            self._stream.write(f"{step} {DEMO.name}, {total / 1e6:.0f} MB\n")
        self._stream.flush()

    def end(self) -> None:
        """Leave the bar's line."""
        if self._live and self._shown[1] >= 0:
            self._stream.write("\n")
        self._shown = ("", -1)
