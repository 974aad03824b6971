"""systemd units as recipes, by systemd's own rules of quoting and expansion."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core.errors import BadRecipe
from studio_core.importing.found import Found, local, nothing
from studio_core.importing.kind import of_text
from studio_core.importing.unit import harvest, words

UNIT = """\
# mine
[Unit]
Description=The big one
After=network.target

[Service]
User=llm
Environment="A=x y" B=2 CUDA_VISIBLE_DEVICES=1
Environment=MODEL=/m/q "ARGS=--seed 3 --dtype half"
WorkingDirectory=/srv
ExecStartPre=/bin/true
ExecStop=-/bin/kill -s INT $MAINPID
ExecStart=-/opt/v/bin/vllm serve ${MODEL} \\
    --chat-template "a \\"b\\" $$1 100%%" \\
    # a comment between
    $ARGS --response-role %i
Restart=on-failure
TimeoutStopSec=1min 30s
LimitMEMLOCK=infinity

[Install]
WantedBy=default.target
"""


def one(text: str) -> Found:
    [found] = harvest(text, nothing).recipes
    return found


def test_a_whole_unit() -> None:
    recipe, found = one(UNIT).recipe(), one(UNIT)
    assert (recipe.id, recipe.model_path, recipe.python_path) == ("q", "/m/q", "/opt/v/bin/python")
    assert recipe.env_vars == {"A": "x y", "B": "2", "MODEL": "/m/q", "ARGS": "--seed 3 --dtype half"} and recipe.gpus == ["1"]
    assert (recipe.dtype, recipe.extra_args["seed"], recipe.extra_args["chat_template"]) == ("half", 3, 'a "b" $1 100%')
    assert (recipe.restart, recipe.grace_s, recipe.description) == ("on-failure", 90.0, "The big one")
    assert recipe.stop_command == ["/bin/kill", "-s", "INT", "{pid}"]
    assert recipe.notes == "User=llm\nLimitMEMLOCK=infinity\nExecStartPre=/bin/true"
    assert recipe.extra_args["response_role"] == "%i" and any("%i is systemd's specifier" in note for note in found.notes)


@pytest.mark.parametrize(("line", "expected"), [
    ("a b  c", ["a", "b", "c"]), ("'a b' \"c d\"", ["a b", "c d"]), (r"a\x20b \t", ["a b", "\t"]), (r'"\"" \101', ['"', "A"]),
    ("", []), ("--a='b c'", ["--a=b c"]), (r"\u00e9", ["é"]), (r"\q", [r"\q"]),
])
def test_words(line: str, expected: list[str]) -> None:
    assert [word for word, _ in words(line)] == expected


def test_files_of_the_environment_win_and_are_read_where_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=2\nVLLM_API_KEY=hidden\n")
    text = f"[Service]\nEnvironment=A=1\nEnvironmentFile=-{tmp_path}/env\nExecStart=vllm serve m\n"
    [found] = harvest(text, local).recipes
    assert found.data["env_vars"] == {"A": "2"} and "hidden" not in str(found)
    blind = one(text)
    assert blind.data["env_vars"] == {"A": "1"} and any("could not be read" in note for note in blind.notes)


def test_a_shell_in_a_unit_and_a_setting_that_is_emptied() -> None:
    text = "[Service]\nEnvironment=A=1\nEnvironment=\nExecStart=/bin/sh -c 'cd /x && B=2 exec vllm serve ./m'\nRestart=always\n"
    found = one(text)
    assert found.data["env_vars"] == {"B": "2"} and found.data["model_path"] == "/x/m" and found.data["restart"] == "always"


@pytest.mark.parametrize(("text", "says"), [
    ("[Service]\nExecStart=/usr/bin/nginx\n", "ExecStart runs nginx"), ("[Service]\nType=simple\n", "has no ExecStart"),
])
def test_a_unit_without_an_engine(text: str, says: str) -> None:
    with pytest.raises(BadRecipe, match=says):
        harvest(text, nothing)


def test_a_unit_is_seen() -> None:
    assert of_text(UNIT) == "systemd" and of_text("ExecStart=vllm serve m") == "systemd" and of_text("vllm serve m") == "command"
