"""Paste a command or another tool's file, see the recipe that it becomes, store it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static, TextArea

from studio_core import wire
from studio_core.text import line
from studio_tui.bridge import Bridge
from studio_tui.keymap import bindings
from studio_tui.message import RecipesRead, RecipesStored
from studio_tui.screens.place import STYLES
from studio_tui.widgets.prompt import Prompt

# So long after the last key a text is read: a paste comes as one, typing does not ask for every letter.
QUIET_S = 0.3
HINT = "paste a vllm serve, sglang, llama-server, TabbyAPI or docker run line, a systemd unit, llama-swap's config.yaml"
EMPTY = "The recipe is shown here as you paste. Nothing is run."


class Paste(ModalScreen[None]):
    """Enter stores what is shown, or reads what is not yet."""

    CSS_PATH = STYLES / "dialog.tcss"
    BINDINGS = bindings("paste")
    AUTO_FOCUS = "#pasted"

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._timer: Timer | None = None
        # The text whose recipes are shown; what was pasted since is another.
        self._shown: str | None = None
        self._storing = False

    def compose(self) -> ComposeResult:
        with Vertical(id="paste") as dialog:
            dialog.border_title = "Import"
            dialog.border_subtitle = "Enter stores, ctrl+j: new line, esc: leave"
            yield Prompt("pasted", HINT)
            with VerticalScroll(id="read", can_focus=False):
                yield Static(EMPTY, id="recipe", markup=False)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(QUIET_S, self._read)

    def on_prompt_sent(self, event: Prompt.Sent) -> None:
        event.stop()
        if self._storing:
            return
        if event.text == self._shown:
            self._storing = True
            self._bridge.store_recipes(self, event.text)
        else:
            self._read()

    def _read(self) -> None:
        if self._text.strip():
            self._bridge.read_recipes(self, self._text)
        else:
            self._shown = None
            self._fill(Content(EMPTY))

    @property
    def _text(self) -> str:
        return self.query_one(Prompt).text

    def on_recipes_read(self, news: RecipesRead) -> None:
        """Of an older text nothing is shown: its successor is on the way."""
        news.stop()
        if news.text != self._text:
            return
        self._shown = news.text if news.found is not None else None
        self._fill(described(news.found) if news.found is not None else Content.assemble((line(news.problem), "$text-error")))

    def on_recipes_stored(self, news: RecipesStored) -> None:
        news.stop()
        self._storing = False
        if news.done:
            self.dismiss()

    def _fill(self, content: Content) -> None:
        self.query_one("#recipe", Static).update(content)

    def action_close(self) -> None:
        self.dismiss()


def described(found: wire.Import) -> Content:
    """The recipes as YAML, and under each what it could not say."""
    pieces: list[tuple[str, str]] = []
    for one in found.recipes:
        pieces += [(one.text, "$foreground"), *((f"\u2022 {line(note)}\n", "$text-warning") for note in one.notes), ("\n", "")]
    pieces += [(f"\u2022 {line(note)}\n", "$text-warning") for note in found.notes]
    return Content.assemble(*pieces)
