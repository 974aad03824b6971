"""`python -m tests.guards.keytable` writes the README's table of keys anew, from the actions and the shipped keymap."""

from __future__ import annotations

from collections.abc import Iterator

from studio_tui import action, keymap
from tests.guards import source

FILE = source.ROOT / "README.md"


def rows() -> Iterator[str]:
    keys = keymap.standard()
    for one in action.TABLE:
        shown = ", ".join(f"`{key}`" for key in keymap.spelled(keys[one.id]).split(", "))
        yield f"| `{one.id}` | {shown} | {one.doc} |"


def written(text: str) -> str:
    """The README with these rows."""
    head, mark, rest = text.partition("### Keys")
    table, end, tail = rest.partition("\n## ")
    kept = [line for line in table.splitlines() if not line.startswith("| `")]
    at = next(number for number, line in enumerate(kept) if line.startswith("|---"))
    return head + mark + "\n".join([*kept[: at + 1], *rows(), *kept[at + 1:]]) + "\n" + end + tail


if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text(encoding="utf-8")), encoding="utf-8")
