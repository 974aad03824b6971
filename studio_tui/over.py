"""What opens over any room, and is imported when it first does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio_tui import action

if TYPE_CHECKING:
    from textual.widget import Widget

    from studio_tui.app import StudioApp


def help_page(app: StudioApp) -> None:
    """What can be done where one is, and with which key."""
    from studio_tui.screens.help import Help

    if isinstance(app.screen, Help):
        return
    bound = {(binding.id or "").partition(".")[0] for _, binding, *_ in app.screen.active_bindings.values()}
    contexts = [name for name in dict.fromkeys(one.context for one in action.TABLE) if name in bound and name != "app"]
    found = {name: [one for one in action.of(name) if not (app.read_only and one.changes)] for name in [*contexts, "app"]}
    app.push_screen(Help(app.keys, found))


def palette(app: StudioApp) -> None:
    """Every action, found by its name."""
    from studio_tui.screens.palette import Palette

    if not isinstance(app.screen, Palette):
        app.push_screen(Palette())


def notices(app: StudioApp) -> None:
    from studio_tui.screens.notices import Notices

    app.push_screen(Notices(tuple(app.notices)))


def servers(app: StudioApp) -> None:
    from studio_core.server import servers
    from studio_tui.screens.servers import Servers

    app.push_screen(Servers(servers(app.bridge.settings), app.bridge.settings.url))


def record(app: StudioApp) -> None:
    """What was asked of Studio, and what it started."""
    from studio_tui.screens.record import CommandLog

    app.push_screen(CommandLog(app.bridge.record, app.bridge.spelled))


def jump(app: StudioApp) -> None:
    """A letter over each thing that can take the focus."""
    from studio_tui.screens.jump import Jump, targets

    if isinstance(app.screen, Jump):
        app.screen.dismiss(None)
        return
    found = targets(app.screen)
    if not found:
        app.say("nothing here takes the focus; digits lead to other rooms")
        return
    below = app.screen

    def there(chosen: Widget | None) -> None:
        # While letters stood there it may have gone, or be covered.
        if chosen is not None and app.screen is below and chosen in below.focus_chain:
            below.set_focus(chosen)

    app.push_screen(Jump(found, app.size), there)
