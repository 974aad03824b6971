"""A chat's messages. What a person wrote is plain text, what a model wrote is Markdown; neither is console markup."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from msgspec import Struct, field
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from studio_core import wire
from studio_core.text import line
from studio_tui import prose, unit
from studio_tui.widgets.reel import Block, Reel

# Messages whose rows are kept.
KEEP = 200
INDENT = 2
FOLDED, OPEN = "\u25b8", "\u25be"


class Item(Struct, eq=False):
    """One message. `growing`: more of it comes; `problem` is what went wrong, `thought` what the model said to itself."""

    name: str
    text: str
    note: str = ""
    person: bool = False
    growing: bool = False
    thought: str = ""
    problem: str = ""
    version: int = 0
    prose: prose.Prose = field(default_factory=prose.Prose)


class MessageList(Reel):
    """Draws the messages that are on the screen; stays at its end while an answer grows, unless somebody scrolls away."""

    COMPONENT_CLASSES = {
        "message-list--person", "message-list--model", "message-list--note", "message-list--problem",
        *(f"message-list--{name}" for name in prose.STYLES),
    }

    def __init__(self, ident: str | None = None) -> None:
        super().__init__(ident)
        self.items: list[Item] = []
        self.thoughts = False
        self._kept: OrderedDict[int, tuple[tuple[int, int, bool, int], list[Strip]]] = OrderedDict()

    # Data down.

    def load(self, messages: Sequence[wire.ChatMessage], empty: str = "") -> None:
        """Another chat, at its end."""
        self.items = [item(one) for one in messages]
        self.empty = empty
        self._kept.clear()
        self._page = []
        self.follow = True
        self.rebuild()
        self.refresh()

    def add(self, item: Item) -> Item:
        self.items.append(item)
        self.to_end()
        return item

    def changed(self, item: Item) -> None:
        """It has grown, or says something else of itself."""
        item.version += 1
        self.rebuild()

    def toggle_thoughts(self) -> None:
        self.thoughts = not self.thoughts
        self.rebuild()

    @property
    def answer(self) -> Item | None:
        """The newest answer on the screen."""
        places = {row.place for row in self.page}
        shown = [one for at, one in enumerate(self.items) if at in places and not one.person and one.text]
        return shown[-1] if shown else None

    # Rows.

    def before(self, place: int) -> Iterator[Block]:
        for at in range(min(place, len(self.items)) - 1, -1, -1):
            yield Block(at, self._rows(at))

    def after(self, place: int) -> Iterator[Block]:
        for at in range(max(0, place), len(self.items)):
            yield Block(at, self._rows(at))

    def share(self, place: int) -> float:
        return place / max(1, len(self.items) - 1)

    def _rows(self, at: int) -> list[Strip]:
        one = self.items[at]
        key = (one.version, self.width, self.thoughts, id(self.look))
        kept = self._kept.get(id(one))
        if kept is None or kept[0] != key:
            kept = self._kept[id(one)] = key, self._drawn(one)
            if len(self._kept) > KEEP:
                self._kept.popitem(last=False)
        self._kept.move_to_end(id(one))
        return kept[1]

    def _drawn(self, one: Item) -> list[Strip]:
        width = max(8, self.width - INDENT - 1)
        name = self.get_component_rich_style(f"message-list--{'person' if one.person else 'model'}")
        note = self.get_component_rich_style("message-list--note")
        rows = [Strip([Segment(one.name, name), Segment(f"  {one.note}" if one.note else "", note)])]
        body = self._thought(one, width)
        if one.person:
            body += prose.plain(one.text, width, self.look["base"])
        elif one.text:
            body += one.prose.rows(one.text, width, self.look, not one.growing)
        if one.problem:
            body += prose.plain(f"\u2716 {one.problem}", width, self.get_component_rich_style("message-list--problem"))
        lead = Strip([Segment(" " * INDENT, self.look["base"])])
        return [*rows, *(Strip.join([lead, row]) for row in body), Strip([])]

    def _thought(self, one: Item, width: int) -> list[Strip]:
        """What a model said to itself is folded as soon as it says something to us."""
        if not one.thought:
            return []
        quiet = self.get_component_rich_style("message-list--note")
        words = unit.count(len(one.thought.split()))
        unfolded = self.thoughts or (one.growing and not one.text)
        head = [Strip([Segment(f"{OPEN if unfolded else FOLDED} thought, {words} words", quiet)])]
        return [*head, *(prose.plain(one.thought.strip(), width, quiet) if unfolded else ()), Strip([])]

    @property
    def look(self) -> Mapping[str, Style]:
        """The styles of Markdown, as the theme has them now."""
        return self._look

    @cached_property
    def _look(self) -> dict[str, Style]:
        base = self.rich_style
        found = {"base": base}
        for name in prose.STYLES:
            style = self.get_component_rich_style(f"message-list--{name}")
            found[name] = style if name in ("block", "code") else base + style.without_color + Style(color=style.color)
        return found

    def resized(self) -> None:
        self.__dict__.pop("_look", None)
        self._kept.clear()


def item(one: wire.ChatMessage) -> Item:
    if one.role == "user":
        return Item("you", one.content or "", person=True)
    told = note(one.state, one.request_completion_tokens)
    return Item(line(one.model or one.role), one.content or "", told, thought=one.reasoning or "")


def note(state: str, tokens: int | None, speed: float | None = None) -> str:
    """What stands beside a model's name."""
    parts = [] if state == "complete" else [state]
    if tokens:
        parts.append(f"{unit.count(tokens)} tokens")
    if speed:
        parts.append(f"{speed:.0f} tokens/s")
    return " \u00b7 ".join(parts)
