"""The README tells of every setting and event: the tables of the code are the measure."""

from __future__ import annotations

import ast
import re

import pytest

from studio_core import settings
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
