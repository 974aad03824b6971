"""A chat's messages. What a person wrote is plain text, what a model wrote is Markdown; neither is console markup."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Markdown, Static

from studio_core import wire
from studio_core.text import line
from studio_tui import unit
from studio_tui.keymap import bindings

# Older ones are in the store; a screen is no archive.
NEWEST = 60


class Bubble(Vertical):
    """One message."""

    def __init__(self, role: str, text: str, note: str = "", plain: bool = False) -> None:
        super().__init__(classes="-person" if plain else "-model")
        self._title, self._note = role, note
        self._head = Static("", markup=False, classes="head")
        self._body = Static(Content(text), classes="text") if plain else Markdown(text, open_links=False, classes="text")

    def compose(self) -> ComposeResult:
        self.note(self._note)
        yield self._head
        yield self._body

    def note(self, note: str) -> None:
        self._head.update(Content.assemble((self._title, "bold"), (f"  {note}", "$quiet")))

    async def add(self, text: str) -> None:
        """More of an answer. Only the last block is parsed again."""
        if isinstance(self._body, Markdown) and self._body.is_attached:
            await self._body.append(text)


class MessageList(VerticalScroll, can_focus=True):
    """Stays at its end while an answer grows, unless somebody scrolls away."""

    BINDINGS = bindings("view")

    async def load(self, messages: Sequence[wire.ChatMessage], empty: str = "") -> None:
        await self.remove_children()
        older = len(messages) - NEWEST
        notes = [Static(f"{older} older messages are stored and not shown", classes="empty")] if older > 0 else []
        if not messages and empty:
            notes = [Static(Content(empty), classes="empty")]
        await self.mount(*notes, *(bubble(one) for one in messages[-NEWEST:]))
        self.anchor()

    async def add(self, bubble: Bubble) -> Bubble:
        await self.query(".empty").remove()
        await self.mount(bubble)
        self.anchor()
        return bubble

    def action_up(self) -> None:
        self.scroll_relative(y=-1, animate=False)

    def action_down(self) -> None:
        self.scroll_relative(y=1, animate=False)

    def action_first(self) -> None:
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        self.anchor()


def bubble(one: wire.ChatMessage) -> Bubble:
    if one.role == "user":
        return Bubble("you", one.content or "", plain=True)
    name = line(one.model or one.role)
    return Bubble(name, one.content or "", note(one.state, one.request_completion_tokens))


def note(state: str, tokens: int | None, speed: float | None = None) -> str:
    """What stands beside a model's name."""
    parts = [] if state == "complete" else [state]
    if tokens:
        parts.append(f"{unit.count(tokens)} tokens")
    if speed:
        parts.append(f"{speed:.0f} tokens/s")
    return " \u00b7 ".join(parts)
