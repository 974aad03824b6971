"""What people type wrong: one line on stderr, an exit code that is not 0, nothing started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio_core import __version__
from studio_core.cli.__main__ import VERBS
from tests.command import Command, one_line

# Words, exit code, a part of the line.
TABLE: list[tuple[list[str], int, str]] = [
    (["statsu"], 1, "did you mean status?"),
    (["--nonsense"], 2, "--nonsense"),
    (["status", "--nonsense"], 2, "--nonsense"),
    (["launch"], 2, "name"),
    (["stop"], 2, "name"),
    (["keys", "guest"], 2, "admin"),
    (["keys", "make"], 1, "a key needs a name"),
    (["keys", "revoke"], 1, "which key"),
    (["import", "ollama", "x"], 2, "vllm-studio"),
    (["import", "vllm-studio"], 1, "which database"),
    (["service"], 2, "action"),
    (["recipes", "burn"], 2, "burn"),
    (["logs", "x", "-n", "many"], 2, "many"),
    (["--port", "many", "status"], 1, "a port from 0 to 65535"),
    (["--port", "70000", "status"], 1, "a port from 0 to 65535"),
    (["--url", "ftp://x", "status"], 1, "not an address"),
    (["--url", "127.0.0.1:1", "status"], 1, "does not answer at http://127.0.0.1:1"),
    (["--url", "127.0.0.1:1", "launch", "x"], 1, "does not answer"),
    (["--url", "127.0.0.1:1", "down"], 1, "this machine"),
    ([], 1, "terminal"),
]


@pytest.mark.parametrize(("words", "code", "part"), TABLE, ids=[" ".join(row[0]) or "no verb" for row in TABLE])
def test_it_is_said_in_one_line(state_dir: Path, words: list[str], code: int, part: str) -> None:
    done = subprocess.run(
        [*Command(state_dir).argv, *words], env=Command(state_dir).environ, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60, cwd=state_dir, check=False,
    )
    assert part in one_line(done, code)
    assert done.stdout == ""
    assert list(state_dir.iterdir()) == []


def test_help_names_every_verb(state_dir: Path) -> None:
    text = Command(state_dir).good("--help")
    assert all(f"\n  {verb} " in text for verb in VERBS)
    assert all(Command(state_dir).good(verb, "--help").startswith(f"usage: studio {verb}") for verb in ("up", "recipes"))
    assert Command(state_dir).good("--version") == f"studio {__version__}\n"


# What is wrong with studio.yaml, and a part of what is said.
YAML = {"port: [": "broken YAML", "prot: 1": "did you mean port?", "port: many": "a port from 0 to 65535", "- 1": "not a mapping"}


@pytest.mark.parametrize("text", YAML)
def test_a_settings_file_that_cannot_be_used(state_dir: Path, text: str) -> None:
    (state_dir / "studio.yaml").write_text(text, encoding="utf-8")
    assert YAML[text] in Command(state_dir).bad("status")


def test_untrusted_words_are_shown_and_not_obeyed(state_dir: Path) -> None:
    said = Command(state_dir).bad("\x1b]0;title\x07\x1b[2Jx\ny")
    assert "\x1b" not in said and "\x07" not in said


def test_who_reads_no_further_causes_no_words(state_dir: Path) -> None:
    process = Command(state_dir).start("doctor")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == ("", 0)
    process.stderr.close()


def test_a_full_device_is_an_error(state_dir: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [*Command(state_dir).argv, "status"], env=Command(state_dir).environ, stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False,
        )
    assert "No space left" in one_line(done)


LOADS_NOT = {"textual", "rich", "httpx", "pydantic", "asyncio", "sqlite3", "yaml", "studio_tui", "studio_core.store"}


@pytest.mark.parametrize("words", [["status"], ["ps", "--json"], ["gpus"]], ids=" ".join)
def test_looking_is_quick(state_dir: Path, words: list[str]) -> None:
    code = f"from studio_core.cli.__main__ import main; print(main({['--state', str(state_dir), *words]}))\n"
    argv = [sys.executable, "-c", f"{code}import sys; print(*sys.modules)"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True, env=Command(state_dir).environ)
    *_, exit_code, modules = done.stdout.splitlines()
    assert exit_code == "3"
    assert set(modules.split()) & LOADS_NOT == set()
    assert os.listdir(state_dir) == []
