"""What a client asked, as it is told and copied: nothing secret in it, and a shell that is given it asks the same."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core.client import Client
from studio_core.client.asked import LONGEST, Asked, asked
from studio_core.errors import Daemonless, NotFound
from studio_core.secrecy import STARS, without_secrets
from studio_core.supervisor.spec import new
from studio_core.supervisor.started import shown
from tests.tui.stage import Stage

LETTERS = "abcdefghijklmnopqrst"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    tmp_path.chmod(0o700)
    found = Stage(tmp_path)
    found.places.create()
    found.start()
    yield found
    found.stop()


def heard(client: Client) -> list[Asked]:
    found: list[Asked] = []
    client.heard = found.append
    return found


def test_each_request_is_told_with_what_became_of_it(stage: Stage, tmp_path: Path) -> None:
    client = Client(stage.places.control_socket)
    found = heard(client)
    client.recipes()
    with pytest.raises(NotFound):
        client.recipe("nobody")
    with contextlib.closing(client.events()) as stream:
        next(iter(stream))
    gone = Client(tmp_path / "nowhere.sock")
    gone.heard = found.append
    with pytest.raises(Daemonless):
        gone.recipes()
    assert [(one.method, one.status, one.streams) for one in found] == [
        ("GET", 200, False), ("GET", 404, False), ("GET", 200, True), ("GET", None, False),
    ]
    assert all(one.took_s is not None for one in found) and found[-1].problem and not found[0].problem


def test_a_request_copied_for_a_shell_asks_the_same(stage: Stage) -> None:
    client = Client(stage.places.control_socket, key="sk-not-to-be-shown")
    found = heard(client)
    client.check_fields({"id": "it's", "env": {"HF_TOKEN": "hf_secret"}, "name": "a \"name\" $HOME\n"})
    (one,) = found
    line = client.curl(one)
    assert "sk-not-to-be-shown" not in line and "hf_secret" not in line and "Bearer $VLLM_STUDIO_API_KEY" in line
    stage.asked.clear()
    given = {"VLLM_STUDIO_API_KEY": "k1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, env=given)
    assert done.returncode == 0, done.stderr
    ((method, path, body),) = stage.asked
    assert (method, path) == ("POST", "/recipes/check?ask=false")
    assert body == {"id": "it's", "env": {"HF_TOKEN": STARS}, "name": "a \"name\" $HOME\n"}
    assert stage.keys[-1] == "Bearer k1"


def test_a_copied_line_names_method_stream_server_and_what_is_too_long() -> None:
    client = Client(url="https://ada:pw@gpu1:8080/studio", key="sk-1", read_only=True)
    line = client.curl(asked("GET", "/events?kinds=gpu", None, True))
    assert shlex.split(line) == [
        "curl", "-sS", "-N", "-H", "x-studio-read-only: 1", "-H", "Authorization: Bearer $VLLM_STUDIO_API_KEY",
        "https://gpu1:8080/studio/events?kinds=gpu",
    ]
    plain = Client(url="http://gpu1:8080")
    assert plain.curl(asked("DELETE", "/chats/1", None, False)) == "curl -sS -X DELETE http://gpu1:8080/chats/1"
    assert plain.curl(asked("POST", "/launch/a?force=true", None, False)).startswith("curl -sS -X POST 'http")
    long = asked("POST", "/chats", {"text": "x" * LONGEST}, False)
    assert len(long.body) == LONGEST and "-d @body.json" in plain.curl(long)


@pytest.mark.parametrize(("value", "shown"), [
    ({"api_key": "abc", "max_tokens": 5, "tokenizer": "t", "key": "", "key_file": "f"},
     {"api_key": STARS, "max_tokens": 5, "tokenizer": "t", "key": "", "key_file": "f"}),
    ({"env": {"HF_TOKEN": "x", "HOME": "/root"}}, {"env": {"HF_TOKEN": STARS, "HOME": "/root"}}),
    (["--api-key", "abc", "--port", "1", "--max-tokens", "9"], ["--api-key", STARS, "--port", "1", "--max-tokens", "9"]),
    ({"text": "vllm serve m --api-key abc --max-num-tokens 9"}, {"text": f"vllm serve m --api-key {STARS} --max-num-tokens 9"}),
    ("HF_TOKEN=abc vllm serve", f"HF_TOKEN={STARS} vllm serve"),
    ("--api-key=abc", f"--api-key={STARS}"),
    ("Authorization: Bearer abc", f"Authorization: Bearer {STARS}"),
    (f"my key is sk-{LETTERS}, hf_{LETTERS}", f"my key is {STARS}, {STARS}"),
    ("what is a token exactly", "what is a token exactly"),
    ("hf_cache/models--sk-learn", "hf_cache/models--sk-learn"),
])
def test_what_is_secret_by_name_or_look_is_stars(value: object, shown: object) -> None:
    assert without_secrets(value) == shown
    assert json.dumps(without_secrets(value))


def test_the_command_of_a_start_shows_none_of_its_secrets() -> None:
    spec = new(
        instance="a-1", recipe_id="a", launch_id="l", env={"MY_PASSWORD": "hunter2hunter2"}, api_key="sk-of-the-start",
        argv=["vllm", "--api-key", "one", "--header=sk-of-the-start", "-e", "X=hunter2hunter2"],
        cwd="/", host="127.0.0.1", port=1, grace_s=1.0, engine="vllm", served_names=[], recipe={}, log_head_bytes=1,
        log_segment_bytes=1, log_segments=1,
    )
    assert shown(spec) == ["vllm", "--api-key", STARS, f"--header={STARS}", "-e", f"X={STARS}"]
