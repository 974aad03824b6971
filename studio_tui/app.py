"""The app: modes, one tick, and the one place where wishes become calls and failures become words."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from inspect import isawaitable
from typing import ClassVar

from textual import on
from textual.app import App
from textual.binding import BindingType
from textual.screen import Screen

from studio_core.errors import StudioError
from studio_core.paths import shipped
from studio_core.text import line
from studio_tui import keymap, message, status, terminal, theme, wish
from studio_tui.bridge import Bridge
from studio_tui.palette import Actions
from studio_tui.room import ROOMS
from studio_tui.screens.place import Place
from studio_tui.view import View

TICK_S = 0.2
# Ages move once a second.
SECOND = round(1 / TICK_S)


class StudioApp(App[None]):
    TITLE = "Studio"
    CSS_PATH = shipped("styles") / "base.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("app")]
    COMMANDS = {Actions}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal"), (104, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    ENABLE_COMMAND_PALETTE = True
    # Without it Textual paints an empty screen first, and switching from that waits 50 ms.
    DEFAULT_MODE = "dashboard"
    AUTO_FOCUS = None

    def __init__(self, bridge: Bridge, own_keys: dict[str, str] | None = None, start: str = "dashboard", recipe: str = "") -> None:
        super().__init__()
        self.bridge = bridge
        self._keys = {**keymap.standard(), **(own_keys or {})}
        self._start, self._recipe = start, recipe
        self._view = View()
        self._changed = False
        self._ticks = 0
        for each in (theme.DARK, theme.LIGHT):
            self.register_theme(each)
        self.theme = theme.DARK.name
        for name in ROOMS:
            self.add_mode(name, partial(self._open, name))
        self.set_keymap(self._keys)

    def _open(self, name: str) -> Screen[None]:
        room = ROOMS[name]
        kind: type[Place] = getattr(import_module(f"studio_tui.screens.{room.module}"), room.name)
        digits = [(keymap.spelled(self._keys[f"app.{key}"]), each.title) for key, each in ROOMS.items()]
        return kind(self.bridge, digits, room.title)

    def on_mount(self) -> None:
        terminal.on_terminate(self.action_leave)
        if self._start != self.DEFAULT_MODE:
            self.switch_mode(self._start)
        self.set_interval(TICK_S, self._tick)
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        gc.enable()
        self.bridge.start(self)

    def on_unmount(self) -> None:
        self.bridge.stop()

    # The one tick: the screen that is shown gets what is new.

    async def _tick(self) -> None:
        self._ticks += 1
        # While the app ends, the timer may outlive the last screen.
        place = next(reversed(self.screen_stack), None)
        if isinstance(place, Place) and place.is_mounted:
            if self._changed or self._ticks % SECOND == 0:
                self._hand_down(place)
            await place.tick()

    def _hand_down(self, place: Place) -> None:
        self._changed = False
        self._view = replace(self._view, now=time.monotonic())
        place.view = self._view
        if self._recipe and self._view.recipes is not None and hasattr(place, "select"):
            place.select(self._recipe)
            self._recipe = ""

    def on_link_changed(self, news: message.LinkChanged) -> None:
        self._know(link=news.link)

    def on_status_came(self, news: message.StatusCame) -> None:
        self._know(status=news.status, status_at=time.monotonic())

    def on_gpus_came(self, news: message.GpusCame) -> None:
        self._know(gpus=news.gpus)

    def on_recipes_came(self, news: message.RecipesCame) -> None:
        self._know(recipes=news.recipes)

    @property
    def known(self) -> View:
        """What is known now."""
        return self._view

    def _know(self, **news: object) -> None:
        self._view = replace(self._view, **news)  # type: ignore[arg-type]
        self._changed = True

    # Wishes: each has its function in `studio_tui/wish`.

    @on(message.Wish)
    async def _fulfil(self, wanted: message.Wish) -> None:
        done = wish.of(wanted)(self, wanted)
        if isawaitable(done):
            await done

    def ask(self, title: str, text: str, accept: str, then: Callable[[], None]) -> None:
        """Do `then` when the person says yes."""
        from studio_tui.screens.confirm import Confirm

        self.push_screen(Confirm(title, text, accept), lambda yes: then() if yes else None)

    # Copying.

    def copy_to_clipboard(self, text: str) -> None:
        """What Textual's own selection copies goes the same way."""
        self.post_message(message.Copy(text))

    def write_raw(self, sequence: str) -> None:
        """To the terminal as it is: only what we made ourselves."""
        if sequence and self._driver is not None:
            self._driver.write(sequence)

    # Words.

    def on_failed(self, news: message.Failed) -> None:
        self.complain(news.error)

    def on_displaces(self, news: message.Displaces) -> None:
        from studio_tui.wish import lifecycle

        lifecycle.displaces(self, news)

    def on_said(self, news: message.Said) -> None:
        self.say(news.text)

    def say(self, text: str) -> None:
        self.notify(text, timeout=4, markup=False)

    def complain(self, error: StudioError) -> None:
        text = "\n".join(part for part in (error.detail, error.hint) if part)
        self.notify(text or error.title, title=error.title if text else "", severity="error", timeout=8, markup=False)

    # Actions.

    async def action_show(self, name: str) -> None:
        """The place comes with what is known: a key pressed right after finds it ready."""
        await self.switch_mode(name)
        if isinstance(self.screen, Place):
            self._hand_down(self.screen)

    def action_switch_model(self) -> None:
        self.post_message(message.Switch())

    def action_switch_theme(self) -> None:
        self.theme = theme.LIGHT.name if self.theme == theme.DARK.name else theme.DARK.name

    def action_help(self) -> None:
        from studio_tui.screens.help import Help

        bound = {(binding.id or "").partition(".")[0] for _, binding, *_ in self.screen.active_bindings.values()}
        contexts = tuple(name for name in ("recipes", "logs", "chat", "table", "view", "app") if name in bound)
        self.push_screen(Help(self._keys, contexts))

    def action_leave(self) -> None:
        alive = [f"{one.name} ({status.mark(one.state).word})" for one in self._view.lives() if one.instance is not None]
        self.exit(message=f"engines go on: {line(', '.join(alive))} \u00b7 studio shows them again" if alive else "Studio goes on")
