"""A model's Markdown as rows of styled text, for a width. Nothing of it is console markup, and nothing in it is a link that acts.

Textual's own Markdown is a widget per paragraph: right for a page, too much for ten thousand messages. Of a text that grows
only the last block is parsed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from studio_core.text import clean

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

Run = tuple[str, Style]
# Names of the styles that are asked for, beside `base`.
STYLES = ("head", "code", "block", "quote", "rule", "link", "word", "string", "comment", "number")
_WORD = re.compile(r"\S+\s*|\s+")
BULLETS = ("\u2022", "\u25e6", "\u25aa")


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


class Prose:
    """One text. `rows` are those of `text` for a width; of a text that only grew what was settled before is kept."""

    def __init__(self) -> None:
        self._settled: list[Strip] = []
        self._from = 0
        self._of: tuple[int, int] = (0, 0)

    def rows(self, text: str, width: int, look: Mapping[str, Style], whole: bool = True) -> list[Strip]:
        """`whole`: nothing more comes; everything is parsed together, and code gets its colours."""
        key = (width, id(look))
        if whole or key != self._of:
            self._settled, self._from, self._of = [], 0, key
        rest = text[self._from:]
        blocks = list(_blocks(rest))
        if not whole and len(blocks) > 1:
            done = blocks[-1][0]
            lines = rest.splitlines(keepends=True)
            self._settled += _spaced(blocks[:-1], width, look, False, bool(self._settled))
            self._from += sum(map(len, lines[:done]))
            blocks = list(_blocks(text[self._from:]))
        return [*self._settled, *_spaced(blocks, width, look, whole, bool(self._settled))]


def code_blocks(text: str) -> list[str]:
    """The code in a text, in order."""
    return [token.content for token in _parser().parse(text) if token.type in ("fence", "code_block")]


def plain(text: str, width: int, style: Style) -> list[Strip]:
    """A text as it was written, in lines of its own."""
    return [Strip(line) for part in text.split("\n") for line in wrap([(part.expandtabs(4), style)], width)]


def _blocks(text: str) -> Iterator[tuple[int, list[Token]]]:
    """Top-level blocks as (first line, tokens)."""
    held: list[Token] = []
    for token in _parser().parse(text):
        held.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield (held[0].map or [0])[0], held
            held = []


def _spaced(
    blocks: Sequence[tuple[int, list[Token]]], width: int, look: Mapping[str, Style], whole: bool, begun: bool
) -> list[Strip]:
    rows: list[Strip] = []
    for _, tokens in blocks:
        if rows or begun:
            rows.append(Strip([]))
        rows += _Writer(width, look, whole).write(tokens)
    return rows


class _Writer:
    """One top-level block: what is inside of lists and quotes has a lead before its rows."""

    def __init__(self, width: int, look: Mapping[str, Style], whole: bool) -> None:
        self._width, self._look, self._whole = width, look, whole
        self._rows: list[Strip] = []
        self._leads: list[Run] = []
        self._bullet = ""
        self._lists: list[int] = []
        self._depths: list[int] = []
        self._table: list[list[list[Run]]] = []
        self._style = Style.null()

    def write(self, tokens: Sequence[Token]) -> list[Strip]:
        for token in tokens:
            getattr(self, f"_{token.type}", self._ignore)(token)
        return self._rows

    def _ignore(self, token: Token) -> None:
        """What only opens or closes."""

    def _put(self, runs: Sequence[Run]) -> None:
        lead = "".join(text for text, _ in self._leads)
        room = max(8, self._width - cell_len(lead) - cell_len(self._bullet))
        for line in wrap(runs, room):
            bullet = [Segment(self._bullet, self._look["head"])] if self._bullet else []
            self._rows.append(Strip([*(Segment(*one) for one in self._leads), *bullet, *line]))
            if self._bullet:
                self._leads.append((" " * cell_len(self._bullet), self._look["base"]))
                self._bullet = ""

    def _heading_open(self, token: Token) -> None:
        self._style = self._look["head"] + Style(bold=True, underline=token.tag == "h1")

    def _heading_close(self, _: Token) -> None:
        self._style = Style.null()

    def _inline(self, token: Token) -> None:
        runs = inline(token.children or (), self._look, self._style)
        if self._table:
            self._table[-1].append(runs)
        else:
            for part in _lines(runs):
                self._put(part)

    def _bullet_list_open(self, _: Token) -> None:
        self._lists.append(0)

    def _ordered_list_open(self, token: Token) -> None:
        self._lists.append(int(token.attrGet("start") or 1))

    def _bullet_list_close(self, _: Token) -> None:
        self._lists.pop()

    _ordered_list_close = _bullet_list_close

    def _list_item_open(self, token: Token) -> None:
        self._depths.append(len(self._leads))
        number = self._lists[-1]
        self._bullet = f"{number}. " if number else f"{BULLETS[min(len(self._lists), len(BULLETS)) - 1]} "
        self._lists[-1] += bool(number)

    def _list_item_close(self, _: Token) -> None:
        if self._bullet:
            self._put([("", self._look["base"])])
        del self._leads[self._depths.pop():]

    def _blockquote_open(self, _: Token) -> None:
        self._depths.append(len(self._leads))
        self._leads.append(("\u2502 ", self._look["quote"]))
        self._style = self._look["quote"]

    def _blockquote_close(self, _: Token) -> None:
        del self._leads[self._depths.pop():]
        self._style = Style.null()

    def _hr(self, _: Token) -> None:
        self._rows.append(Strip([Segment("\u2500" * max(1, self._width), self._look["rule"])]))

    def _fence(self, token: Token) -> None:
        language = token.info.split()[0] if token.info.split() else ""
        colours = code_runs(token.content, language, self._look) if self._whole else [(token.content, self._look["block"])]
        lead = [*self._leads, *((" " * cell_len(self._bullet), self._look["base"]),) * bool(self._bullet)]
        room = max(8, self._width - sum(cell_len(text) for text, _ in lead) - 2)
        ground = self._look["block"]
        for line in _lines(colours, drop_last=True):
            for cut in _folded(line, room):
                space = room - sum(cell_len(text) for text, _ in cut)
                self._rows.append(Strip([
                    *(Segment(*one) for one in lead), Segment(" ", ground), *(Segment(*one) for one in cut),
                    Segment(" " * (max(0, space) + 1), ground),
                ]))

    _code_block = _fence

    def _table_open(self, _: Token) -> None:
        self._table = [[]]

    def _tr_open(self, _: Token) -> None:
        if self._table[-1]:
            self._table.append([])

    def _table_close(self, _: Token) -> None:
        """Columns as wide as their widest cell; what does not fit is told as lines of their own."""
        cells, self._table = self._table, []
        widths = [max(_width(row[at]) if at < len(row) else 0 for row in cells) for at in range(len(cells[0]))]
        if sum(widths) + 3 * len(widths) > self._width:
            for row in cells[1:]:
                for at, cell in enumerate(row):
                    name = [(text, style + Style(bold=True)) for text, style in cells[0][at]] if at < len(cells[0]) else []
                    self._put([*name, (": ", self._look["quote"]), *cell])
            return
        for number, row in enumerate(cells):
            runs: list[Run] = []
            for width, cell in zip(widths, row, strict=False):
                bold = Style(bold=True) if number == 0 else Style.null()
                runs += [(text, style + bold) for text, style in cell]
                runs.append((" " * (width - _width(cell)) + "   ", self._look["base"]))
            self._rows.append(Strip([Segment(*run) for run in (*self._leads, *runs)]))
            if number == 0:
                self._rows.append(Strip([Segment("\u2500" * (sum(widths) + 3 * len(widths) - 3), self._look["rule"])]))


def inline(tokens: Sequence[Token], look: Mapping[str, Style], style: Style) -> list[Run]:
    """The runs of one paragraph. Where a link leads stands beside it."""
    base = look["base"] + style
    held: list[tuple[str, Style]] = []
    runs: list[Run] = []
    address = ""
    kinds = {"strong": Style(bold=True), "em": Style(italic=True), "s": Style(strike=True), "link": look["link"]}
    for token in tokens:
        name, _, end = token.type.rpartition("_")
        now = base + (Style.combine([one for _, one in held]) if held else Style.null())
        if token.type in ("softbreak", "hardbreak"):
            runs.append(("\n" if token.type == "hardbreak" else " ", base))
        elif token.type == "code_inline":
            runs.append((token.content, now + look["code"]))
        elif end == "open" and name in kinds:
            held.append((name, kinds[name]))
            address = str(token.attrGet("href") or "") if name == "link" else address
        elif end == "close" and name in kinds:
            held = held[:-1]
            said = runs[-1][0] if runs else ""
            if name == "link" and address not in (said, f"mailto:{said}"):
                runs.append((f" ({address})", base + look["quote"]))
        elif token.type == "image":
            runs.append((f"[{token.content or 'image'}] ({token.attrGet('src')})", base + look["quote"]))
        else:
            runs.append((token.content, now))
    # A character that was written as an entity came through the boundary as letters.
    return [(clean(text), style) for text, style in runs]


def _lines(runs: Sequence[Run], drop_last: bool = False) -> list[list[Run]]:
    """Runs cut at line breaks."""
    found: list[list[Run]] = [[]]
    for text, style in runs:
        first, *rest = text.split("\n")
        found[-1].append((first, style))
        found += [[(part, style)] for part in rest]
    if drop_last and len(found) > 1 and not any(text for text, _ in found[-1]):
        found.pop()
    return found


def _folded(runs: Sequence[Run], width: int) -> list[list[Run]]:
    """Code is cut at the width, never at its words."""
    text = "".join(part for part, _ in runs).expandtabs(4)
    if cell_len(text) <= width:
        return [[(part.expandtabs(4), style) for part, style in runs]]
    style = runs[0][1]
    return [[(piece, style)] for piece in chop_cells(text, width)]


def _width(runs: Sequence[Run]) -> int:
    return sum(cell_len(text) for text, _ in runs)


def wrap(runs: Sequence[Run], width: int) -> list[list[Segment]]:
    """Words in lines of at most `width` cells; a longer word is cut."""
    text = "".join(part for part, _ in runs)
    if not text:
        return [[]]
    lines, start, used = [], 0, 0
    for found in _WORD.finditer(text):
        word = found.group()
        size = cell_len(word.rstrip())
        if used and used + size > width:
            lines.append((start, found.start()))
            start, used = found.start(), 0
        if size > width:
            pieces = chop_cells(word.rstrip(), width)
            for piece in pieces[:-1]:
                lines.append((start, start + len(piece)))
                start += len(piece)
            used = cell_len(pieces[-1]) + len(word) - len(word.rstrip())
        else:
            used += cell_len(word)
    lines.append((start, len(text)))
    return [_cut(runs, begin, begin + len(text[begin:end].rstrip())) for begin, end in lines]


def _cut(runs: Sequence[Run], begin: int, end: int) -> list[Segment]:
    found, at = [], 0
    for part, style in runs:
        piece = part[max(0, begin - at):max(0, end - at)]
        if piece:
            found.append(Segment(piece, style))
        at += len(part)
    return found


def code_runs(code: str, language: str, look: Mapping[str, Style]) -> list[Run]:
    """Code in its colours, where its language is known."""
    from pygments.lexers import get_lexer_by_name
    from pygments.token import Token as Kind
    from pygments.util import ClassNotFound

    ground = look["block"]
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False) if language else None
    except ClassNotFound:
        lexer = None
    if lexer is None or len(code) > 100_000:
        return [(code, ground)]
    kinds = ((Kind.Comment, "comment"), (Kind.Keyword, "word"), (Kind.Operator.Word, "word"), (Kind.String, "string"),
             (Kind.Number, "number"), (Kind.Name.Builtin, "word"))
    return [
        (text, ground + next((look[name] for kind, name in kinds if token in kind), Style.null()))
        for token, text in lexer.get_tokens(code)
    ]
