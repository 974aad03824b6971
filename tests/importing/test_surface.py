"""Importing over HTTP and on the command line."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Command
from tests.core.control import control
from tests.house import House, house

LINE = "FOO=1 HF_TOKEN=s3cr3t vllm serve org/m -tp 2 --brand-new x"


async def test_over_http_nothing_is_stored_and_secrets_do_not_come_back(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        body = (await house.owner.post("/recipes/import", json={"text": LINE})).json()
        [made] = body["recipes"]
        assert (body["kind"], made["recipe"]["id"], made["recipe"]["tensor_parallel_size"]) == ("command", "m", 2)
        assert made["text"].startswith("id: m\nmodel_path: org/m\n") and made["unknown"] == ["--brand-new"]
        assert "s3cr3t" not in str(body) and any("HF_TOKEN is left out" in note for note in made["notes"])
        assert (await house.owner.get("/recipes")).json() == []


async def test_it_is_for_those_who_define_and_reads_files_for_the_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=1\n")
    given = {"text": f"docker run --env-file {tmp_path}/env vllm/vllm-openai m"}
    async with control(tmp_path, remote_admin=True) as house, house.guest("admin") as admin, house.guest("read") as reader:
        assert (await reader.post("/recipes/import", json=given)).status_code == 403
        [mine] = (await house.owner.post("/recipes/import", json=given)).json()["recipes"]
        [theirs] = (await admin.post("/recipes/import", json=given)).json()["recipes"]
        assert mine["recipe"]["env_vars"] == {"A": "1"} and theirs["recipe"]["env_vars"] == {}


@pytest.mark.parametrize("given", [
    {"text": "rm -rf /"}, {"text": ""}, {}, {"text": "vllm serve m", "kind": "nonsense"}, {"text": "[" * 9999},
    {"text": "models: [" * 99},
])
async def test_bad_input_is_refused_in_words(tmp_path: Path, given: dict[str, str]) -> None:
    async with control(tmp_path) as house:
        answer = await house.owner.post("/recipes/import", json=given)
        assert answer.status_code in (400, 422) and answer.json()["title"] and answer.json()["hint"]


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="st-") as folder, house(Path(folder)) as found:
        yield found


def good(studio: Command, *words: str) -> str:
    """What it printed; all that it said beside that are notes."""
    done = studio("recipes", "import", *words)
    assert done.returncode == 0 and all(line.startswith("note: ") for line in done.stderr.splitlines()), done
    assert "s3cr3t" not in done.stdout + done.stderr
    return done.stdout


def test_on_the_command_line(home: House, tmp_path: Path) -> None:
    studio = Command(home.root)
    assert good(studio, "--dry-run", "--command", LINE).startswith("id: m\nmodel_path: org/m\n") and home.client.recipes() == []
    assert good(studio, "--command", LINE) == "m stored, version 1\n"
    assert "there is m already" in studio.bad("recipes", "import", "--command", LINE)
    assert good(studio, "--replace", "--command", LINE) == "m stored, version 2\n"
    script = tmp_path / "start.sh"
    script.write_text("#!/bin/sh\nexec llama-server -m /m/other.gguf -c 512\n")
    assert good(studio, str(script)) == "other stored, version 1\n"
    swap = tmp_path / "config.yaml"
    swap.write_text("models: {m: {cmd: 'vllm serve a'}, third: {cmd: 'vllm serve b'}}")
    assert good(studio, "--skip", "llama-swap", str(swap)) == "third stored, version 1\n"
    assert [one.id for one in home.client.recipes()] == ["m", "other", "third"]
    assert json.loads(good(studio, "--dry-run", "--json", str(swap)))["kind"] == "llama-swap"
    exported = tmp_path / "all.yaml"
    exported.write_text(studio.good("recipes", "export"))
    assert good(studio, "--replace", str(exported)).count("stored") == 3


@pytest.mark.parametrize(("words", "says"), [
    ((), "what is to be imported?"), (("nothing.yaml",), "cannot read nothing.yaml"), (("nonsense", "x"), "is no kind"),
    (("litellm",), "which file of litellm?"), (("--command", "ls"), "starts no engine"),
])
def test_what_the_command_line_refuses(home: House, words: tuple[str, ...], says: str) -> None:
    assert says in Command(home.root).bad("recipes", "import", *words)


def test_a_recipe_as_a_line_and_back(home: House) -> None:
    studio = Command(home.root)
    good(studio, "--replace", "--command", "CUDA_VISIBLE_DEVICES=1 llama-server -m /m/back.gguf -c 512 --mystery 'a b'")
    line = studio.good("recipes", "show", "back", "--shell")
    assert line.startswith("CUDA_VISIBLE_DEVICES=1 llama-server -m /m/back.gguf --port ${PORT:-8000} --alias back")
    before = home.client.recipe("back").recipe
    assert studio("recipes", "import", "--replace", "--command", "-", said=line).stdout == "back stored, version 2\n"
    assert home.client.recipe("back").recipe == before
    assert studio.data("recipes", "show", "back", "--shell") == {"line": line.rstrip("\n"), "notes": []}
