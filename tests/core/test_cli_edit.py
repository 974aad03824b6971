"""`studio recipes edit`: the editor, the check after it, the way back to it, and a text that is never lost."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Command
from tests.house import House, house
from tests.terminal import Window

SECONDS = 60.0


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="st-") as folder, house(Path(folder)) as found:
        yield found


@pytest.fixture
def studio(home: House) -> Command:
    home.recipe("one")
    return Command(home.root)


def editor(folder: Path, script: str) -> dict[str, str]:
    """An editor that does this to the file it is given."""
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return {"EDITOR": str(path), "VISUAL": "", "TMPDIR": str(folder)}


def test_a_recipe_is_edited_and_a_refused_text_is_kept(studio: Command, tmp_path: Path) -> None:
    done = studio("recipes", "edit", "one", **editor(tmp_path, 'echo "description: edited" >> "$1"'))
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "edited" in studio.good("recipes", "show", "one")
    assert studio("recipes", "edit", "one", **editor(tmp_path, "true")).stdout == "not changed\n"
    done = studio("recipes", "edit", "one", **editor(tmp_path, 'echo "nonsense: [" >> "$1"'))
    kept, error = done.stderr.splitlines()
    assert done.returncode == 1 and error.startswith("error: ")
    assert "nonsense: [" in Path(kept.removeprefix("your text is kept in ")).read_text(encoding="utf-8")
    assert "failed" in studio("recipes", "edit", "one", **editor(tmp_path, "exit 3")).stderr
    assert "could not be used" in studio("recipes", "edit", "one", EDITOR=str(tmp_path / "none"), VISUAL="").stderr


def rounds(folder: Path, *scripts: str) -> dict[str, str]:
    """An editor that does another thing each time it is opened."""
    cases = "\n".join(f"{number}) {script};;" for number, script in enumerate(scripts, 1))
    return editor(folder, f"echo x >> {folder}/rounds; case $(wc -l < {folder}/rounds) in\n{cases}\nesac")


def kept_text(folder: Path) -> str:
    [path] = folder.glob("one-*.yaml")
    return path.read_text(encoding="utf-8")


WRONG = 'printf "extra_args: {no_such_flag: 1}\\n" >> "$1"'


def test_the_check_is_shown_after_the_edit(studio: Command, tmp_path: Path) -> None:
    done = studio("recipes", "edit", "one", **editor(tmp_path, 'echo "notes: seen" >> "$1"'))
    told, _, rest = done.stdout.partition("\n")
    assert told == "nothing is wrong" and "--ctx-size" in rest and "stored, version" in rest.splitlines()[-1]
    assert studio.good("check", "one").splitlines()[:2] == done.stdout.splitlines()[:2]


def test_what_is_wrong_leads_back_to_the_editor(studio: Command, home: House, tmp_path: Path) -> None:
    mend = 'sed -i /no_such_flag/d "$1"; echo "tags: [fixed]" >> "$1"'
    environ = rounds(tmp_path, WRONG, mend)
    with Window([*studio.argv, "recipes", "edit", "one"], {**studio.environ, **environ}, 120, 40) as window:
        window.until("has no flag --no-such-flag", SECONDS)
        window.until("back to the editor, [s]tore", SECONDS)
        window.send("\r")
        window.until("stored, version", SECONDS)
        assert window.ended(SECONDS) == 0
    recipe = home.client.recipe("one").recipe
    assert recipe["tags"] == ["fixed"] and recipe["extra_args"] == {}
    assert list(tmp_path.glob("one-*.yaml")) == []


def test_a_person_may_store_it_all_the_same(studio: Command, home: House, tmp_path: Path) -> None:
    with Window([*studio.argv, "recipes", "edit", "one"], {**studio.environ, **editor(tmp_path, WRONG)}, 120, 40) as window:
        window.until("[q]uit?", SECONDS)
        window.send("s\r")
        window.until("stored, version", SECONDS)
        assert window.ended(SECONDS) == 0
    assert home.client.recipe("one").recipe["extra_args"] == {"no_such_flag": 1}


@pytest.mark.parametrize(("script", "said", "answer"), [
    (WRONG, "[q]uit?", "q\r"), (WRONG, "[q]uit?", "\x04"), ('echo "nonsense: [" >> "$1"', "[q]uit?", "q\r"),
])
def test_who_quits_keeps_the_text(studio: Command, home: House, tmp_path: Path, script: str, said: str, answer: str) -> None:
    before = home.client.recipe("one")
    with Window([*studio.argv, "recipes", "edit", "one"], {**studio.environ, **editor(tmp_path, script)}, 120, 40) as window:
        window.until(said, SECONDS)
        window.send(answer)
        window.until("your text is kept in", SECONDS)
        assert window.ended(SECONDS) == 1
    assert home.client.recipe("one") == before
    assert ("no_such_flag" in kept_text(tmp_path)) or ("nonsense" in kept_text(tmp_path))


def test_a_text_that_is_no_recipe_can_be_mended(studio: Command, tmp_path: Path) -> None:
    environ = rounds(tmp_path, 'echo "tensor_parallel_size: many" >> "$1"', 'sed -i "s/many/1/; \\$a notes: mended" "$1"')
    with Window([*studio.argv, "recipes", "edit", "one"], {**studio.environ, **environ}, 120, 40) as window:
        window.until("tensor_parallel_size", SECONDS)
        window.until("or [q]uit?", SECONDS)
        window.send("e\r")
        window.until("stored, version", SECONDS)
        assert window.ended(SECONDS) == 0
    assert "mended" in studio.good("recipes", "show", "one")


def test_a_change_of_somebody_else_loses_neither(studio: Command, home: House, tmp_path: Path) -> None:
    other = (f"from studio_core.client import Client; from pathlib import Path; c = Client(Path('{home.places.control_socket}')); "
             "c.put_recipe({**c.recipe('one').recipe, 'notes': 'theirs'})")
    environ = editor(tmp_path, f'echo "tags: [mine]" >> "$1"; {sys.executable} -c "{other}"')
    done = studio("recipes", "edit", "one", **environ)
    assert done.returncode == 1 and "was changed meanwhile" in done.stderr and "studio recipes show one" in done.stderr
    assert home.client.recipe("one").recipe["notes"] == "theirs" and "mine" in kept_text(tmp_path)
