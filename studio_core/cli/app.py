"""Opening the app, which nothing in core depends on: it is found by its name."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from studio_core.errors import Unavailable
from studio_core.settings import Settings


def app(settings: Settings, recipe: str = "", file: str = "") -> int:
    """Run the app until the person leaves. It opens on the recipe `recipe`, or on the log `file`.

    Raises:
        Unavailable: it is not installed.
    """
    if find_spec("studio_tui.__main__") is None:
        raise Unavailable("the terminal app is not part of this installation", "", "use the verbs: studio --help")
    code: int = import_module("studio_tui.__main__").run(settings, recipe, file)
    return code
