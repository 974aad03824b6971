"""What people get wrong, at each place where they meet Studio: command line, control API, gateway. With real processes.

Each error says what and how to go on, names no secret, and leaves no process, no instance and no port behind.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio_core.errors import LaunchFailed, TooLarge
from studio_core.supervisor import port
from tests import leftover
from tests.command import Command, one_line
from tests.house import House, house
from tests.wait import wait_until

SECRET = "hf_a-secret-of-this-recipe"
MIB = 1024 * 1024
# An ELF header for a machine that this is not (e_machine 0x1234, elf(5)).
FOREIGN = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x34\x12" + bytes(100)


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    """One house for all: what is refused must leave it as it was."""
    folder = Path(tempfile.mkdtemp(prefix="st-"))
    try:
        with house(folder) as one:
            for name, content, mode in (
                ("plain", b"#!/bin/sh\n", 0o600), ("foreign", FOREIGN, 0o700), ("words", b"hello", 0o700),
                ("broken.gguf", b"GGUF and nothing else", 0o600), ("other.gguf", b"PK\x03\x04", 0o600),
            ):
                (folder / name).write_bytes(content)
                (folder / name).chmod(mode)
            one.recipe("fine")
            yield one
        assert leftover.find(folder) == []
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def studio(home: House) -> Iterator[Command]:
    """The command line; afterwards nothing may be left of what was tried."""
    before = {process.pid for process in home.processes()}
    recipes = [one.id for one in home.client.recipes()]
    yield Command(home.root)
    wait_until(lambda: {process.pid for process in home.processes()} == before, what="no process is left")
    wait_until(lambda: list(home.places.instances.iterdir()) == [], what="no instance is left")
    for one in home.client.recipes():
        if one.id not in recipes:
            home.client.delete_recipe(one.id)
    assert not port.accepts("127.0.0.1", home.settings.inference_port)
    assert home.client.chats() == []


def ask(home: House, path: str, body: Any, method: str = "POST", **headers: str) -> tuple[int, Any]:
    """Status and JSON of an answer of the gateway; `body` is sent as it is when it is bytes."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", home.port, timeout=60)
    try:
        connection.request(method, path, sent, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def key(home: House) -> str:
    return home.places.admin_key.read_text(encoding="ascii").strip()


def admin(home: House) -> dict[str, str]:
    return {"Authorization": f"Bearer {key(home)}"}


def openai(found: Any) -> dict[str, Any]:
    """The error in the shape of OpenAI's clients."""
    error: dict[str, Any] = found["error"]
    assert set(found) == {"error"} and {"message", "type", "param", "code", "request_id"} <= set(error)
    assert error["message"] and error["hint"] in error["message"]
    return error


def spoken(path: str, found: Any) -> dict[str, Any]:
    """The error in the shape of the path's clients: Anthropic's, or OpenAI's."""
    if path != "/v1/messages":
        return openai(found)
    error: dict[str, Any] = found["error"]
    assert found["type"] == "error" and found["request_id"].startswith("req-") and {"type", "message"} <= set(error)
    return error


# What is wrong with a recipe, the status of its launch, what is said, and a part of the hint.
RECIPES: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no-model": ({"model_path": "/nowhere/m.gguf"}, 422, "the model file /nowhere/m.gguf is not there", "correct model_path"),
    "no-gguf": ({"model_path": "{root}/other.gguf"}, 422, "other.gguf is not a GGUF file", "choose another backend"),
    "no-binary": ({"binary": "/nowhere/server"}, 422, "the binary /nowhere/server is not there", "field binary"),
    "not-executable": ({"binary": "{root}/plain"}, 422, "plain is not executable", "chmod +x"),
    "a-folder": ({"binary": "{root}/instances"}, 422, "instances is a folder", "name the program in it"),
    "other-machine": ({"binary": "{root}/foreign"}, 422, "foreign cannot be run: Exec format error", "a build for it"),
    "no-program": ({"binary": "{root}/words"}, 422, "words cannot be run: Exec format error", "a build for it"),
    "no-flag": ({"extra_args": {"no_such_flag": True}}, 422, "has no flag --no-such-flag", "did you mean"),
    "no-value": ({"extra_args": {"ctx_size": "many"}}, 422, "takes a whole number, got 'many'", "correct it in the recipe"),
    "damaged": ({"model_path": "{root}/broken.gguf"}, 503, "failed to read header", "fetch it again"),
    "no-engine": ({"backend": "mlx"}, 422, "cannot be started here: it runs on Apple's machines", "the recipe is kept"),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_that_cannot_run(home: House, studio: Command, name: str) -> None:
    fields, status, word, hint = RECIPES[name]
    made = {key: value.replace("{root}", str(home.root)) if isinstance(value, str) else value for key, value in fields.items()}
    # Without a binary it is the real llama.cpp of the demo extra.
    if status == 503 or "extra_args" in fields:
        pytest.importorskip("xllamacpp")
    home.client.put_recipe({
        "id": name, "backend": "llamacpp", "model_path": str(home.root / "model.gguf"), "env_vars": {"HF_TOKEN": SECRET}, **made,
    })

    said = [studio.bad("launch", name, "--wait"), studio.bad("switch", name)]
    code, found = ask(home, f"/launch/{name}", b"", **admin(home))
    assert (code, found["title"] in found["detail"], isinstance(found["hint"], str)) == (status, True, True), found
    # A client that asks for a model that cannot start is told why, and may try again.
    code, asked = ask(home, "/v1/chat/completions", {"model": name, "messages": []})
    error = openai(asked)
    assert (code, error["code"]) == (503, "launch_failed")
    for text in (*said, f"{found['detail']} {found['hint']}", error["message"]):
        assert word in text and hint in text, text
        assert SECRET not in text and key(home) not in text
    assert SECRET not in json.dumps([found, asked])


def test_a_refused_switch_leaves_what_runs(home: House, studio: Command) -> None:
    home.client.put_recipe({"id": "gone", "backend": "llamacpp", "model_path": "/nowhere/m.gguf"})
    before = home.launch("fine")
    studio.bad("launch", "gone")
    assert home.instance("fine").engine_pid == before.engine_pid
    home.client.evict(before.id)


def test_a_port_that_the_recipe_insists_on_is_taken(home: House, studio: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        before = home.launch("fine")
        home.recipe("insists")
        home.client.put_recipe({**home.client.recipe("insists").recipe, "port": number})
        with pytest.raises(LaunchFailed) as caught:
            raise_failure(home, "insists")
        assert f"port {number}" in caught.value.title and f"(pid {os.getpid()})" in caught.value.detail
        assert "free is " in caught.value.hint
        assert (home.instance("fine").engine_pid, home.instance("fine").state) == (before.engine_pid, "ready")
        home.client.evict(before.id)
        assert f"port {number}" in studio.bad("launch", "insists", "--wait")
        code, found = ask(home, "/v1/completions", {"model": "insists"})
        assert code == 503 and f"port {number}" in openai(found)["message"]


def raise_failure(home: House, name: str) -> None:
    failure = home.client.launch(name, wait=True).failure
    assert failure is not None
    raise LaunchFailed(failure.title, failure.detail, failure.hint)


def test_the_next_port_is_taken_where_none_was_asked_for(home: House, studio: Command) -> None:
    with socket.create_server(("127.0.0.1", home.settings.inference_port)):
        one = home.launch("fine")
        assert one.port != home.settings.inference_port
        home.client.evict(one.id)


def test_a_taken_port_of_the_gateway_is_named(home: House, state_dir: Path) -> None:
    """A second Studio on the port of the first."""
    studio = Command(state_dir, "--port", str(home.port))
    said = studio.bad("up")
    status = home.status()
    # Both have the listening socket.
    holders = [f"-m studio_core.controller (pid {status.controller.pid})", f"-m studio_core.gateway (pid {status.gateway.pid})"]
    assert f"port {home.port}" in said and any(one in said for one in holders) and "studio settings set port " in said
    found = {one["check"]: one for one in json.loads(studio("doctor", "--json").stdout)["findings"]}["port"]
    assert any(one in found["what"] for one in holders) and "studio settings set port " in found["remedy"]
    assert studio("status").returncode == 3


# Texts that are no YAML or no recipe, and where that is said.
TEXTS = {
    "id: a\nmodel_path: [\n": "line 3, column 1",
    "id: a\n\tmodel_path: /m\n": "line 2, column 1",
    "id: a\nid: b\nmodel_path: /m\n": "line 2, column 1",
    "id: fine\nmodel_path: /m\n---\nid: two\ntp: many\nmodel_path: /m\n": "line 4",
    "id: ../up\nmodel_path: /m\n": "line 1",
    "x" * (5 * MIB): "too long",
}


@pytest.mark.parametrize("text", TEXTS, ids=TEXTS.values())
def test_yaml_that_is_broken(home: House, studio: Command, tmp_path: Path, text: str) -> None:
    before = home.client.recipe("fine")
    file, editor = tmp_path / "recipes.yaml", tmp_path / "editor"
    file.write_text(text)
    editor.write_text(f'#!/bin/sh\ncp "{file}" "$1"\n')
    editor.chmod(0o700)
    for words in (["add", str(file)], ["add", "-"], ["import", str(file)], ["import", "--replace", str(file)]):
        assert TEXTS[text] in studio.bad("recipes", *words, said=text)
    edited = studio("recipes", "edit", "fine", VISUAL=str(editor), TMPDIR=str(tmp_path))
    kept, error = edited.stderr.splitlines()
    assert edited.returncode == 1 and TEXTS[text] in error and error.startswith("error: ")
    assert Path(kept.removeprefix("your text is kept in ")).read_text() == text
    assert home.client.recipe("fine").version == before.version and len(home.client.recipes()) == 1


@pytest.mark.parametrize("words", [["status"], ["up"], ["launch", "x"], ["doctor"], []], ids=lambda words: " ".join(words) or "app")
def test_settings_that_are_broken(state_dir: Path, words: list[str]) -> None:
    (state_dir / "studio.yaml").write_text("port: 1\nhost: [\n")
    said = Command(state_dir).bad(*words)
    assert said.startswith(f"broken YAML in {state_dir}/studio.yaml: line 3, column 1: ") and "correct that line" in said
    assert [one.name for one in state_dir.iterdir()] == ["studio.yaml"]


NAMED = ["launch", "stop", "switch", "chat", "logs", "recipes show", "recipes edit", "recipes remove", "recipes export"]


@pytest.mark.parametrize("verb", NAMED)
def test_a_name_that_nothing_has_on_the_command_line(studio: Command, verb: str) -> None:
    said = studio.bad(*verb.split(), "nobody", *(["hello"] if verb == "chat" else []))
    assert "nobody" in said and "(see: studio " in said


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/recipes/nobody"), ("POST", "/launch/nobody"), ("POST", "/launch/nobody/cancel"), ("GET", "/launches/nobody"),
    ("POST", "/evict?instance=nobody"), ("GET", "/logs/nobody"), ("GET", "/logs/nobody/stream"), ("GET", "/chats/nobody"),
])
def test_a_name_that_nothing_has_on_a_control_path(home: House, studio: Command, method: str, path: str) -> None:
    code, found = ask(home, path, b"", method, **admin(home))
    assert (code, found["code"]) == (404, "not_found")
    assert "nobody" in found["detail"] and "see: " in found["hint"]


ENGINE_PATHS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/responses"]


@pytest.mark.parametrize("path", ENGINE_PATHS)
def test_a_model_that_is_not_there(home: House, studio: Command, path: str) -> None:
    code, found = ask(home, path, {"model": "nobody"})
    error = spoken(path, found)
    assert (code, error["code"]) == (404, "model_not_found")
    assert "`nobody`" in error["message"] and "fine" in error["message"]
    code, found = ask(home, "/v1/models/nobody", b"", "GET")
    assert (code, openai(found)["code"]) == (404, "model_not_found")


BODIES = [b"{no", b"\xff", b"", b'{"a":' * 100_000, b"[1]", b'{"model": 3}', b"{}"]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body[:12]))
@pytest.mark.parametrize("path", ENGINE_PATHS)
def test_a_body_that_is_no_request(home: House, studio: Command, path: str, body: bytes) -> None:
    code, found = ask(home, path, body)
    assert (code, spoken(path, found)["code"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("body", [b"{no", b"\xff", b'{"a":' * 100_000], ids=lambda body: str(body[:12]))
def test_a_body_that_is_not_json_on_a_control_path(home: House, studio: Command, body: bytes) -> None:
    code, found = ask(home, "/chats", body, **admin(home))
    assert (code, found["title"], found["hint"]) == (400, "the body is not JSON", "send one JSON object")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chats"])
def test_a_body_of_65_mib(home: House, studio: Command, path: str, chunked: bool) -> None:
    """The client sends all of it, reads the answer, and sees the connection end in order: a reset would raise."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {65 * MIB}"
    with socket.create_connection(("127.0.0.1", home.port), timeout=60) as link:
        link.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key(home)}\r\n{length}\r\n\r\n".encode())
        for _ in range(65):
            link.sendall(b"%x\r\n%s\r\n" % (MIB, b"x" * MIB) if chunked else b"x" * MIB)
        link.sendall(b"0\r\n\r\n" if chunked else b"")
        answer = b"".join(iter(lambda: link.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    found = json.loads(body)
    assert head.startswith(b"HTTP/1.1 413 ")
    error = openai(found) if path.startswith("/v1/") else found
    assert error["code"] == "request_too_large" and "body_limit" in error["hint"]


def test_a_recipe_of_65_mib_on_the_owners_socket(home: House, studio: Command) -> None:
    with pytest.raises(TooLarge, match="too large"):
        home.client.put_recipe({"id": "giant", "model_path": "/m", "name": "x" * (65 * MIB)})
    assert [one.id for one in home.client.recipes()] == ["fine"]


def test_nothing_at_all_is_started_by_a_mistake(state_dir: Path) -> None:
    """A word that is no verb, and a bad value, are said before anything runs."""
    studio = Command(state_dir)
    assert "did you mean launch?" in one_line(studio("lanch", "x"))
    assert "a port" in studio.bad("--port", "none", "launch", "x")
    assert list(state_dir.iterdir()) == []
