"""A launch over HTTP, with a scripted engine under a real shim: waited for, streamed, left alone, failed, cancelled."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.core.control import Control, control
from tests.wait import eventually

SCRIPT = Path(__file__).parent.parent / "engines" / "scripted.py"


def recipe(root: Path, name: str, **switches: Any) -> dict[str, Any]:
    """A recipe that runs the scripted engine as its llama-server."""
    binary, model = root / "llama-server", root / "model.gguf"
    shutil.copy(SCRIPT, binary)
    binary.chmod(0o755)
    model.write_bytes(b"GGUF")
    return {
        "id": name, "name": name.title(), "backend": "llamacpp", "binary": str(binary), "model_path": str(model),
        "env_vars": {"SCRIPT": json.dumps(switches)}, "grace_s": 2,
    }


async def ready(house: Control, name: str = "one") -> Any:
    return (await house.owner.post(f"/launch/{name}")).json()


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, data) of every frame."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])["data"]))
    return found


async def test_json_when_it_is_over(tmp_path: Path, free_port: int) -> None:
    async with control(tmp_path, inference_port=free_port) as house:
        await house.owner.post("/recipes", json=recipe(tmp_path, "one"))
        answer = await house.owner.post("/launch/one")
        body = answer.json()
        assert (answer.status_code, body["success"]) == (200, True), body
        status = (await house.owner.get("/status")).json()
        assert status["running"] and status["process"]["pid"] == body["pid"] and status["launching"] is None
        assert status["inference_port"] == status["process"]["port"] and status["process"]["backend"] == "llamacpp"
        assert (await house.owner.get("/recipes/one")).json()["status"] == "running"
        assert (await house.owner.delete("/recipes/one")).status_code == 409
        assert (await house.owner.get("/wait-ready?timeout=5")).json()["ready"] is True
        assert 'vllm_studio_active_model_info{backend="llamacpp"' in (await house.owner.get("/metrics")).text
        gone = (await house.owner.post("/evict")).json()
        assert (gone["success"], gone["evicted_pid"]) == (True, body["pid"])
        assert (await house.owner.get("/status")).json()["holds"] == ["one"]


async def test_a_stream_ends_with_ready(tmp_path: Path, free_port: int) -> None:
    async with control(tmp_path, inference_port=free_port) as house:
        await house.owner.post("/recipes", json=recipe(tmp_path, "one", load_s=1.0))
        answer = await house.owner.post("/launch/one", headers={"accept": "text/event-stream"})
        found = events(answer.text)
        assert [name for name, _ in found[:-1]] == ["launch_progress"] * (len(found) - 1)
        name, last = found[-1]
        assert name == "ready" and last["success"] and last["progress"] == 1.0 and last["stage"] == "ready"
        stages = [data["stage"] for _, data in found]
        assert stages[0] in ("preempting", "launching", "waiting") and "waiting" in stages
        shares = [data["progress"] for _, data in found]
        assert shares == sorted(shares)


async def test_a_failure_is_an_http_error_that_says_why(tmp_path: Path, free_port: int) -> None:
    async with control(tmp_path, inference_port=free_port) as house:
        broken = recipe(tmp_path, "one", exit_after_s=0, exit_code=7, healthy=False)
        await house.owner.post("/recipes", json=broken)
        answer = await house.owner.post("/launch/one")
        body = answer.json()
        assert answer.status_code == 503 and body["success"] is False and isinstance(body["detail"], str)
        assert body["title"] and body["launch_id"] and body["log_file"]
        streamed = await house.owner.post("/launch/one", headers={"accept": "text/event-stream"})
        name, last = events(streamed.text)[-1]
        assert name == "failed" and last["stage"] == "error" and last["title"] == body["title"]


async def test_leaving_never_cancels(tmp_path: Path, free_port: int) -> None:
    async with control(tmp_path, inference_port=free_port) as house:
        await house.owner.post("/recipes", json=recipe(tmp_path, "one", load_s=0.6))
        with pytest.raises(httpx.TimeoutException):
            await house.owner.post("/launch/one", timeout=0.2)
        async with house.owner.stream("POST", "/launch/one", headers={"accept": "text/event-stream"}) as stream:
            await anext(stream.aiter_bytes())
        answer = await house.owner.get("/wait-ready?timeout=20&recipe=one")
        assert answer.json()["ready"] is True
        assert len((await house.owner.get("/instances")).json()) == 1


async def test_at_once_and_cancelled(tmp_path: Path, free_port: int) -> None:
    async with control(tmp_path, inference_port=free_port) as house:
        await house.owner.post("/recipes", json=recipe(tmp_path, "one", hang=True))
        answer = await house.owner.post("/launch/one?wait=false")
        assert (answer.status_code, answer.json()["success"]) == (202, True)
        launch_id = answer.json()["launch_id"]
        waiting = asyncio.create_task(house.owner.post("/launch/one"))
        await eventually(lambda: house.services.supervisor.instances(), what="an instance")
        assert (await house.owner.get("/wait-ready?timeout=0.2")).json()["ready"] is False
        cancelled = (await house.owner.post("/launch/one/cancel")).json()
        assert (cancelled["id"], cancelled["state"], cancelled["stage"]) == (launch_id, "cancelled", "cancelled")
        assert (await waiting).status_code == 409
        assert (await house.owner.get(f"/launches/{launch_id}")).json()["state"] == "cancelled"
        assert (await house.owner.get("/instances")).json() == []


async def test_the_command_of_an_instance_is_told_without_its_secrets(tmp_path: Path, free_port: int) -> None:
    async with control(tmp_path, inference_port=free_port) as house:
        one = recipe(tmp_path, "one")
        one["env_vars"]["MY_TOKEN"] = secret = "hunter2-hunter2"
        await house.owner.post("/recipes", json={**one, "served_model_name": f"one-{secret}"})
        answer = await ready(house)
        assert answer.get("success"), answer
        (keeper,) = house.services.supervisor.keepers()
        for name in ("one", keeper.id):
            found = (await house.owner.get(f"/instances/{name}/command")).json()
            assert found["id"] == keeper.id and str(keeper.spec.port) in found["argv"] and found["argv"][0] == one["binary"]
            assert secret in " ".join(keeper.spec.argv) and secret not in " ".join(found["argv"])
        assert (await house.owner.get("/instances/nobody/command")).status_code == 404


async def test_the_event_stream_begins_with_status_and_tells_of_the_launch(tmp_path: Path, free_port: int) -> None:
    async with control(tmp_path, inference_port=free_port) as house:
        await house.owner.post("/recipes", json=recipe(tmp_path, "one"))
        async with house.owner.stream("GET", "/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["x-accel-buffering"] == "no"
            lines = stream.aiter_lines()
            assert [line async for line in _names(lines, 1)] == ["status"]
            await ready(house)
            while (name := await anext(_names(lines, 1))) != "launch_progress":
                assert name in ("status", "gpu", "metrics")
        stats = await eventually(lambda: house.services.hub.stats()["total_subscribers"] == 0)
        assert stats
        async with house.owner.stream("GET", "/events?named=false") as stream:
            async for line in stream.aiter_lines():
                assert not line.startswith("event:")
                if line.startswith("data: "):
                    assert json.loads(line[6:])["data"]["event"] == "status"
                    break


async def _names(lines: Any, count: int) -> Any:
    async for line in lines:
        if line.startswith("event: "):
            yield line[7:]
            count -= 1
            if not count:
                return


async def test_the_log_is_read_searched_followed_and_deleted_when_the_engine_is_gone(tmp_path: Path, free_port: int) -> None:
    async with control(tmp_path, inference_port=free_port) as house:
        await house.owner.post("/recipes", json=recipe(tmp_path, "one", lines=500))
        name = (await ready(house))["instance"]

        async def written() -> bool:
            """It is ready a moment before its shim has written down what it said."""
            return bool((await house.owner.get(f"/logs/{name}?filter=model loaded")).json()["matches"])

        await eventually(written, what="its last line is in the log")
        page = (await house.owner.get(f"/logs/{name}?limit=3")).json()
        assert len(page["lines"]) == 3 and page["logs"] == page["lines"] and page["end"] == page["size"]
        found = (await house.owner.get(f"/logs/{name}?filter=I line 49")).json()
        assert found["matches"] == 11 and all("line 49" in line for line in found["lines"])
        assert (await house.owner.get(f"/logs/{name}?search=I LINE 499")).json()["matches"] == 1
        first = (await house.owner.get(f"/logs/{name}?start=0&end=40")).json()
        assert (first["start"], first["end"]) == (0, 40) and "load_model" in first["content"]
        assert (await house.owner.delete(f"/logs/{name}")).status_code == 409
        sessions = (await house.owner.get("/logs")).json()["sessions"]
        assert (sessions[0]["id"], sessions[0]["recipe_id"], sessions[0]["status"]) == (name, "one", "running")
        following = asyncio.create_task(house.owner.get(f"/logs/{name}/stream"))
        await house.owner.post("/evict")
        told = events((await following).text)
        assert told[-1][0] == "end"
        listed = (await house.owner.get("/logs")).json()["sessions"][0]
        assert (listed["id"], listed["recipe_id"], listed["status"]) == (name, "one", "stopped")
        whole = [data["line"] for kind, data in told if kind == "log"]
        assert [line for line in whole if "I line " in line] == [f"0.00.000.000 I line {n}" for n in range(500)]
        await resumed(house, name, page["generation"], whole)
        assert (await house.owner.delete(f"/logs/{name}")).json() == {"success": True}
        assert (await house.owner.get(f"/logs/{name}")).status_code == 404


async def resumed(house: Control, name: str, generation: int, whole: list[str]) -> None:
    """A stream that goes on after the tenth line tells the rest; a place of another generation means the beginning."""
    offset = sum(len(line.encode()) + 1 for line in whole[:10])
    for mark, rest in ((f"{generation}:{offset}", whole[10:]), (f"{generation + 1}:{offset}", whole)):
        answer = await house.owner.get(f"/logs/{name}/stream", headers={"last-event-id": mark})
        assert [data["line"] for kind, data in events(answer.text) if kind == "log"] == rest
    assert (await house.owner.get(f"/logs/{name}/stream", headers={"last-event-id": "x"})).status_code == 422
