"""The README tells of every setting, verb, key and event: the tables of the code are the measure."""

from __future__ import annotations

import ast
import re

import pytest

from studio_core import settings
from studio_core.cli.__main__ import VERBS
from studio_tui import action, keymap
from tests.guards import source

README = (source.ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("setting", settings.TABLE, ids=lambda one: one.name)
def test_a_setting_has_its_row(setting: settings.Setting) -> None:
    row = next((line for line in README.splitlines() if line.startswith(f"| `{setting.name}` |")), "")
    assert row.endswith(f"| {setting.doc} |")


def test_the_readme_invents_no_setting() -> None:
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert named == [setting.name for setting in settings.TABLE]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_told_of(verb: str) -> None:
    assert re.search(rf"^\| .*`studio {verb}\b", README, re.MULTILINE)


def test_every_action_has_its_row_with_its_keys_in_the_table_s_order() -> None:
    keys = keymap.standard()
    assert {one.id for one in action.TABLE} == set(keys)
    table = README.partition("### Keys")[2].partition("\n## ")[0]
    shown = {one.id: ", ".join(f"`{key}`" for key in keymap.spelled(keys[one.id]).split(", ")) for one in action.TABLE}
    rows = [f"| `{one.id}` | {shown[one.id]} | {one.doc} |" for one in action.TABLE]
    assert [line for line in table.splitlines() if line.startswith("| `")] == rows


def published() -> set[str]:
    """The kinds that the source publishes on the hub."""
    paths = source.python("studio_core")
    return {
        str(node.args[0].value)
        for path in paths for node, called in source.calls(path)
        if called.endswith("hub.publish") and node.args and isinstance(node.args[0], ast.Constant)
    }


def test_each_kind_of_event_is_told_of() -> None:
    kinds = published()
    assert len(kinds) >= 4, "the guard finds what is published"
    section = README.partition("## Events")[2].partition("\n## ")[0]
    assert {kind for kind in kinds if f"`{kind}`" not in section} == set()
