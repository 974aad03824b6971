"""The app: modes, one tick, and the one place where wishes become calls and failures become words."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from inspect import isawaitable
from typing import ClassVar

from msgspec.structs import replace
from textual import events, on
from textual.binding import BindingType

from studio_core.errors import StudioError
from studio_core.paths import shipped
from studio_core.text import line
from studio_tui import action, first, keymap, message, notice, over, status, sweep, terminal, theme, wanted, wish
from studio_tui.bridge import Bridge
from studio_tui.canvas import Canvas
from studio_tui.palette import Actions
from studio_tui.pulse import SECOND_S, TICK_S, Pulse
from studio_tui.room import FIRST, Rooms
from studio_tui.screens.place import Looking, Place
from studio_tui.sheet import Sheet
from studio_tui.typeahead import TypeAhead
from studio_tui.view import View
from studio_tui.widgets.board import Board
from studio_tui.widgets.footer import Footer
from studio_tui.widgets.panel import Panel

# What is on the screen is written down so often, for a terminal that is closed without a word.
KEEP_S = 5.0
NOTICES = 300
# So often whoever looks elsewhere gets a frame.
AWAY_S = 5.0
# A beat is never quite on time.
EARLY_S = TICK_S / 2
# A key that came during the start is answered before the app listens to what is new.
LISTEN_S = 0.15
# After a key what it leads to is shown as it comes.
LIVELY_S = 2.0

CHANGING = frozenset(one.call.removeprefix("app.").partition("(")[0] for one in action.APP if one.changes)


class StudioApp(Canvas):
    TITLE = "Studio"
    CSS_PATH = shipped("styles") / "base.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings("app")]
    COMMANDS = {Actions}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal"), (104, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    ENABLE_COMMAND_PALETTE = True
    # Without it Textual paints an empty screen first, and switching from that waits 50 ms.
    DEFAULT_MODE = FIRST
    AUTO_FOCUS = None

    def __init__(
        self, bridge: Bridge, own_keys: dict[str, str] | None = None, start: str = "", recipe: str = "",
        seen: View | None = None, file: str = "",
    ) -> None:
        super().__init__(bridge.settings.glyphs, taken=seen is not None)
        self.stylesheet = Sheet(variables=self.get_css_variables())
        self.bridge = bridge
        self.read_only: bool = bridge.settings.read_only
        self.keys = {**keymap.standard(), **(own_keys or {})}
        self.rooms = Rooms(self, self.keys)
        self._start, self._recipe, self._file = start or self.rooms.last, recipe, file
        self.notices: deque[notice.Notice] = deque(maxlen=NOTICES)
        self._view = seen or View()
        self._changed = False
        self._pulse = Pulse(self._beat, self._pace)
        self._typed = TypeAhead(self)
        self._pressed = self._handed = self._kept = time.monotonic()
        self._has_mouse: bool = bridge.settings.mouse
        for each in theme.ALL:
            self.register_theme(each)
        kept = self.rooms.memory.theme
        self.theme = kept if kept in self.available_themes else theme.DARK.name
        # The shipped keys stand in the bindings already, and each key walks through what stands here.
        self.set_keymap({name: keys for name, keys in (own_keys or {}).items() if keys != keymap.standard()[name]})

    def on_mount(self) -> None:
        terminal.on_terminate(self.end)
        if self._start != self.DEFAULT_MODE:
            self.switch_mode(self.rooms.mode(self._start))
        if self.rooms.memory.complaint:
            self.say(self.rooms.memory.complaint)
        self.run_worker(self._pulse.run(), "pulse", "pulse")
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        sweep.begin()
        # What the first frame showed is that fresh.
        self.bridge.start(self, LISTEN_S if self._view.status is not None else 0.0)

    def on_unmount(self) -> None:
        self.bridge.stop()

    async def drive(self, bridge: Bridge) -> None:
        """Another Studio from here on, in rooms of its own."""
        self.rooms.remember()
        self.bridge.stop()
        here = self.rooms.here
        self.bridge, self._view = bridge, View()
        old = self.rooms.move()
        await self.action_show(here)
        for mode in old:
            await self.remove_mode(mode)
        bridge.start(self)

    # The one tick: the screen that is shown gets what is new.

    def _pace(self) -> float:
        """Seconds to the next beat, where nothing hurries it."""
        place = next(reversed(self.screen_stack), None)
        if not self.app_focus or not isinstance(place, Place) or not place.is_mounted:
            return SECOND_S
        return TICK_S if time.monotonic() - self._pressed < LIVELY_S else place.pace

    async def _beat(self) -> None:
        if not self.is_running:
            return  # It ends: its screens' parts have gone, some of them with their styles.
        now = time.monotonic()
        place = next(reversed(self.screen_stack), None)
        if isinstance(place, Place) and place.is_mounted:
            # Whoever looks elsewhere needs no frame of every second.
            is_due = now - self._handed >= (SECOND_S if self.app_focus else AWAY_S) - EARLY_S
            if is_due or (self._changed and self.app_focus):
                self._hand_down(place)
            await place.tick()
        elif isinstance(place, Looking):
            place.look()
        if now - self._kept >= KEEP_S:
            self._kept = now
            self.rooms.remember()
            sweep.sweep(now - self._pressed)

    def _hand_down(self, place: Place) -> None:
        self._changed, self._handed = False, time.monotonic()
        self._view = replace(self._view, now=self._handed)
        place.view = self._view
        if self._file and hasattr(place, "open_file"):
            place.open_file(self._file)
            self._file = ""
        if self._recipe and self._view.recipes is not None and hasattr(place, "select"):
            place.select(self._recipe)
            self._recipe = ""

    def on_link_changed(self, news: message.LinkChanged) -> None:
        lost = 0.0 if news.link.state == "live" else self._view.link_at or time.monotonic()
        self._know(link=news.link, link_at=lost)

    def on_status_came(self, news: message.StatusCame) -> None:
        for one in notice.endings(self._view.status, news.status, {each.id: each.name for each in self._view.recipes or ()}):
            self._heed(one)
        self.bridge.saw(news.status)
        self._know(status=news.status, status_at=time.monotonic())

    def _heed(self, news: notice.Notice) -> None:
        """A toast for who looks; a bell, a notice and a title for who does not."""
        self.notices.append(news)
        if news.alarm:
            text = notice.signed(news.text, news.tone)
            self.notify(text, timeout=6, markup=False, severity="error" if news.tone == status.BAD else "information")
            if self.bridge.settings.notify and not self.app_focus:
                terminal.alarm(self, news.text)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key):
            self._pressed = time.monotonic()
            self._pulse.hurry(TICK_S)
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
        elif self._typed.turn(event):
            target = self.focused or self.screen
            await super().on_event(event)
            self._typed.sent(event, target)

    def on_key(self, event: events.Key) -> None:
        self._typed.over(event)

    def on_footer_pressed(self, event: Footer.Pressed) -> None:
        self.simulate_key(event.key)

    def on_app_focus(self) -> None:
        terminal.calm(self)

    def on_gpus_came(self, news: message.GpusCame) -> None:
        self._know(False, gpus=news.gpus)

    def on_metrics_came(self, news: message.MetricsCame) -> None:
        self._know(False, metrics=news.metrics)

    def on_samples_came(self, news: message.SamplesCame) -> None:
        self._know(False, samples=news.samples)

    def on_recipes_came(self, news: message.RecipesCame) -> None:
        self._know(recipes=news.recipes, recipes_at=time.monotonic())

    @property
    def known(self) -> View:
        """What is known now."""
        return self._view

    def _know(self, urgent: bool = True, **news: object) -> None:
        """Figures wait for the tick of the second; what changes what can be done is shown at the next."""
        self._view = replace(self._view, **news)
        self._changed = self._changed or urgent
        if urgent:
            self._pulse.hurry()

    # Wishes: each has its function in `studio_tui/wish`.

    @on(wanted.Wish)
    async def _fulfil(self, wanted: wanted.Wish) -> None:
        if self.read_only and wanted.changes:
            self.say("read-only mode: nothing is changed from here")
            return
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
        self.post_message(wanted.Copy(text))

    # Words.

    def on_failed(self, news: message.Failed) -> None:
        self.complain(news.error)

    def on_said(self, news: message.Said) -> None:
        self.say(news.text)

    def say(self, text: str) -> None:
        self.notices.append(notice.Notice(line(text), ""))
        self.notify(text, timeout=4, markup=False)

    def complain(self, error: StudioError) -> None:
        self.notices.append(notice.Notice(error.line(), status.BAD))
        text = "\n".join(part for part in (error.detail, error.hint) if part)
        title = notice.signed(error.title, status.BAD)
        self.notify(text or title, title=title if text else "", severity="error", timeout=8, markup=False)

    # Actions.

    async def action_show(self, name: str) -> None:
        """The place comes with what is known: a key pressed right after finds it ready."""
        self.rooms.remember()
        await self.switch_mode(self.rooms.mode(name))
        if isinstance(self.screen, Place):
            self._hand_down(self.screen)

    def action_switch_model(self) -> None:
        self.post_message(wanted.Switch())

    def action_switch_theme(self) -> None:
        names = [each.name for each in theme.ALL]
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]

    def action_help(self) -> None:
        over.help_page(self)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (self.read_only and action in CHANGING)

    def action_command_palette(self) -> None:
        over.palette(self)

    def action_notices(self) -> None:
        over.notices(self)

    def action_servers(self) -> None:
        over.servers(self)

    def action_record(self) -> None:
        over.record(self)

    def action_jump(self) -> None:
        over.jump(self)

    def action_maximise(self) -> None:
        """The panel around the focus."""
        screen, focused = self.screen, self.focused
        if screen.maximized is not None:
            screen.minimize()
        elif focused is not None:
            panel = next((node for node in focused.ancestors_with_self if isinstance(node, Panel)), None)
            screen.maximize(panel or focused, container=False)

    def action_mouse(self) -> None:
        self._has_mouse = not self._has_mouse
        terminal.mouse(self, self._has_mouse)
        self.say("the app takes the mouse" if self._has_mouse else "the mouse is the terminal's: it selects text as elsewhere")

    def action_leave(self) -> None:
        """One level back; from the top of a place, out."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif not (isinstance(self.screen, Place) and self.screen.back()):
            self.end()

    async def action_quit(self) -> None:
        self.end()

    def _keep_look(self) -> None:
        """How the dashboard looked, for the first frame of the next start."""
        board = next(iter(self.screen.query(Board)), None)
        if board is not None and not self.is_headless:
            rows = [line.render(self.console) for line in self.screen._compositor.render_strips()]
            look = first.Look(board.pens(self.console), self.size.width, rows[0], rows[-1], self._is_ascii)
            first.keep(self.bridge.settings.state_dir, look)

    def end(self) -> None:
        self.rooms.remember()
        alive = [f"{one.name} ({status.mark(one.state).word})" for one in self._view.lives() if one.instance is not None]
        self._keep_look()
        self.exit(message=f"engines go on: {line(', '.join(alive))} \u00b7 studio shows them again" if alive else "Studio goes on")
