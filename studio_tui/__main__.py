"""`python -m studio_tui [--recipe ID] [--url URL] [--data-dir DIR] [--read-only]`, and what `studio` without a verb runs."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from studio_core import settings
from studio_core.errors import BadInput, StudioError


def main(args: Sequence[str] | None = None) -> int:
    """Run the app until the person leaves. `args` are command line words; exit code 0 after a leave."""
    import argparse

    parser = argparse.ArgumentParser(prog="studio", description="The terminal app.")
    parser.add_argument("--recipe", default="", metavar="ID", help="open the recipes with this one selected")
    parser.add_argument("--url", default="", help="address of a remote Studio")
    parser.add_argument("--data-dir", default="", help="state directory")
    parser.add_argument("--read-only", action="store_true", help="only look")
    parser.add_argument("--file", default="", metavar="PATH", help="open the logs with this file")
    options = parser.parse_args(args)
    try:
        given = {name: value for name in ("url", "data_dir", "read_only") if (value := getattr(options, name))}
        return run(settings.load(given), options.recipe, options.file)
    except StudioError as error:
        print(f"error: {error.line()}", file=sys.stderr)
        return 1


def run(found: settings.Settings, recipe: str = "", file: str = "") -> int:
    """The app on these settings.

    Raises:
        BadInput: there is no terminal. BadSetting: the user's keymap cannot be used.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("the app needs a terminal", "", "in scripts use verbs: studio status --json")
    # A blinking cursor and animations cost bytes all day; who wants them sets the variable.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    # Nothing that is made before the first paint is garbage; looking for some would take a tenth of the start.
    gc.disable()
    from studio_tui import first

    start = "logs" if file else "recipes" if recipe else ""
    with first.painted(found, start or first.room(found)) as seen:
        from studio_tui import keymap, terminal
        from studio_tui.app import StudioApp
        from studio_tui.bridge import Bridge

        app = StudioApp(Bridge(found), keymap.own(found.state_dir), start, recipe, seen, file)
        terminal.suit(app)
        terminal.watch()
        app.run(mouse=found.mouse)
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
