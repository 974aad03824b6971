"""A scripted control API on a real Unix socket, for the app's own tests: the real client talks to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from studio_core import wire
from studio_core.errors import StudioError
from studio_core.importing.answer import answer
from studio_core.importing.found import nothing
from studio_core.importing.kind import read_text
from studio_core.paths import Places
from studio_core.settings import Settings, load
from tests.tui.stage_server import PING, Refused, StageServer

Answer = Any


class Stage:
    """What the API answers stands in plain attributes; `asked` holds every request as (method, path, body)."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(folder)
        self.given: dict[str, Any] = {}
        self.status = wire.Status(running=False, process=None, inference_port=8000, launching=None)
        self.gpus = wire.Gpus(reason="no NVIDIA driver is loaded")
        self.metrics = wire.Metrics()
        self.samples = wire.Samples(step_s=10.0, end=0.0)
        self.recipes: list[wire.RecipeView] = []
        self.plans: dict[str, wire.LaunchPlan] = {}
        self.checks: dict[str, wire.Check] = {}
        self.argv = ["llama-server", "--model", "/models/a b.gguf"]
        self.logs: dict[str, list[str]] = {}
        self.files: list[wire.LogFile] = []
        self.chats: dict[str, wire.Chat] = {}
        self.stopped: set[str] = set()
        self.turn: list[tuple[str, Any]] = []
        self.hold_turn = threading.Event()
        self.hold_turn.set()
        # A turn that pauses gives no sign of life; a wish to end it is not answered; chats are not begun until then.
        self.mute = self.deaf = False
        self.hold_chat = threading.Event()
        self.hold_chat.set()
        self.usage: dict[str, Any] = {}
        self.flights = wire.Flights()
        # Servers of tools, for a room that asks for them one day.
        self.mcp: list[dict[str, Any]] = []
        self.models = wire.ModelFiles()
        self.peaks: dict[str, Any] = {"metrics": []}
        self.config: dict[str, Any] = {"settings": []}
        self.settings_shown: list[wire.SettingView] = []
        self.keys_shown: list[wire.KeyView] = []
        self.findings: list[wire.DoctorFinding] = []
        self.kept: set[str] = set()
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.asked: list[tuple[str, str, Any]] = []
        self.keys: list[str] = []
        self.news = threading.Condition()
        self._events: list[tuple[str, Any]] = []
        self._server: StageServer | None = None

    @property
    def settings(self) -> Settings:
        return load({"data_dir": str(self.places.root), "glyphs": "unicode", **self.given}, environ={})

    def start(self) -> None:
        self._server = StageServer(self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def start_tcp(self, wrap: Callable[[socket.socket], socket.socket] = lambda link: link) -> int:
        """The same on a TCP port of loopback, as through a gateway; `wrap` may put TLS around a connection."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._server = StageServer(self, listener, wrap)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return int(listener.getsockname()[1])

    def stop(self) -> None:
        """As a killed controller: the socket refuses, every stream ends."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.shutdown()
        server.end()
        self.places.control_socket.unlink(missing_ok=True)

    def publish(self, kind: str) -> None:
        """An event with the status or the sample as it stands."""
        with self.news:
            self._events.append((kind, wire.to_builtins({"status": self.status, "gpu": self.gpus}[kind])))
            self.news.notify_all()

    def sample(self, host: wire.Host, reason: str = "") -> None:
        """A new sample of a machine without GPU."""
        self.gpus = wire.Gpus(reason=reason or self.gpus.reason, host=host)
        self.publish("gpu")

    def write(self, log_id: str, *lines: str) -> None:
        with self.news:
            self.logs[log_id].extend(lines)
            self.news.notify_all()

    def wanted(self, method: str, start: str) -> list[str]:
        return [path for verb, path, _ in self.asked if verb == method and path.startswith(start)]

    # What is answered.

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        if method == "POST" and path.startswith(("/launch", "/evict")):
            return self._order(path, query)
        if (method, path) == ("POST", "/recipes"):
            self.recipes.append(wire.RecipeView(
                id=body["id"], name=body.get("name") or body["id"], backend=body.get("backend", "vllm"),
                model_path=body["model_path"], version=1, status="stopped", recipe=body,
            ))
            return wire.Stored(success=True, id=body["id"], version=1)
        if path.startswith("/instances/"):
            return self._asked_of(method, path)
        if path.startswith("/v1/studio/requests"):
            if method == "DELETE":
                self.flights.requests = [one for one in self.flights.requests if one.id != path.rpartition("/")[2]]
                return wire.Done()
            return self.flights
        if path.startswith("/mcp"):
            return self.mcp
        plain = {
            "/v1/studio/models": self.models, "/peak-metrics": self.peaks,
            "/status": self.status, "/gpus": self.gpus, "/recipes": self.recipes, "/usage": self.usage,
            "/config": self.config, "/logs": wire.Logs(sessions=self.files), "/samples": self.samples,
            "/snapshot": wire.Snapshot(status=self.status, gpus=self.gpus, metrics=self.metrics, samples=self.samples),
        }
        if path in plain:
            return plain[path]
        if path.startswith(("/settings", "/keys", "/doctor", "/restart")):
            return self._house(method, path, body)
        if path == "/plans":
            return [self._plan(one.id) for one in self.recipes]
        if path == "/recipes/check":
            return self.checks.get("") or wire.Check()
        if path == "/recipes/import":
            return self._import(body["text"])
        if path.startswith("/foreign/"):
            return wire.Done() if path.endswith(("stop", "detach")) else self._attached(int(path.split("/")[2]), body)
        if path.startswith("/recipes/"):
            return self._recipe(method, path, body)
        if path.startswith("/logs/"):
            return self._page(path.split("/")[2], query)
        if path.startswith("/launches/"):
            return wire.Launch(id="l", recipe_id="r", state="planned")
        return self._chat(method, path, body)

    def _order(self, path: str, query: Mapping[str, str]) -> Answer:
        if self.refusal:
            raise Refused(*self.refusal)
        if path.endswith("/cancel"):
            return wire.Launch(id="l", recipe_id="r", state="cancelled")
        return wire.Evicted() if path == "/evict" else wire.LaunchAnswer(success=True, launch_id="l")

    def _asked_of(self, method: str, path: str) -> Answer:
        """Sleep and wake answer with the instance, adapters with what there are."""
        if path.endswith("/command"):
            return wire.StartCommand(id=path.split("/")[2], argv=self.argv)
        if "/adapters" in path:
            return [wire.Adapter(name="mine", path="/a"), wire.Adapter(name="fixed", path="/b", origin="recipe")]
        return next(one for one in self.status.instances if one.id == path.split("/")[2])

    def _attached(self, pid: int, body: Any) -> wire.Foreign:
        one = next(one for one in self.status.foreign if one.pid == pid)
        one.attached = body["name"]
        return one

    def _plan(self, recipe_id: str) -> wire.LaunchPlan:
        return self.plans.get(recipe_id) or wire.LaunchPlan(recipe_id=recipe_id, outcome="starts")

    def _recipe(self, method: str, path: str, body: Any) -> Answer:
        recipe_id = path.split("/")[2]
        one = next((one for one in self.recipes if one.id == recipe_id), None)
        if one is None:
            raise Refused(404, {"title": f"no recipe {recipe_id}", "detail": "", "hint": "", "code": "not_found"})
        if path.endswith("/plan"):
            return self._plan(recipe_id)
        if path.endswith("/check"):
            return self.checks.get(recipe_id) or wire.Check(argv=["engine", "--port", "0"])
        if method == "DELETE":
            if self.refusal:
                raise Refused(*self.refusal)
            if recipe_id in self.kept:
                raise Refused(409, {"title": f"{recipe_id} is running", "detail": "", "hint": "stop it first", "code": "conflict"})
            self.recipes.remove(one)
            return wire.Done()
        if method == "GET":
            return one
        if body["version"] != one.version:
            raise Refused(409, {"title": "changed meanwhile", "detail": "", "hint": "", "code": "recipe_changed"})
        one.recipe, one.version = {name: value for name, value in body.items() if name != "version"}, one.version + 1
        return wire.Stored(success=True, id=recipe_id, version=one.version)

    def _house(self, method: str, path: str, body: Any) -> Answer:
        if path == "/settings":
            for name, seen in (body or {}).get("expected", {}).items():
                if seen != next(one for one in self.settings_shown if one.name == name).stored:
                    raise Refused(409, {"title": f"{name} was changed", "detail": "", "hint": "", "code": "setting_changed"})
            for name, value in (body or {}).get("changes", {}).items():
                next(one for one in self.settings_shown if one.name == name).stored = value
            return self.settings_shown
        if method == "POST" and path == "/keys":
            self.keys_shown.append(wire.KeyView(id=f"k-{len(self.keys_shown)}", name=body["name"], scopes=body["scopes"]))
            return wire.NewKey(id="k-new", name=body["name"], scopes=body["scopes"], key="sk-the-new-key")
        if method == "DELETE":
            self.keys_shown = [one for one in self.keys_shown if one.id != path.rpartition("/")[2]]
        return {"/keys": self.keys_shown, "/doctor": self.findings}.get(path, wire.Done())

    def _import(self, text: str) -> Answer:
        """The real reader: the stage has no other way to say what a text means."""
        try:
            return answer(*read_text(text, "", nothing))
        except StudioError as error:
            raise Refused(error.status, error.body()) from error

    def _page(self, log_id: str, query: Mapping[str, str]) -> Answer:
        lines, end = self.logs[log_id], int(query.get("end", -1))
        size = _size(lines)
        while end >= 0 and lines and _size(lines) > end:
            lines = lines[:-1]
        chosen = lines[-int(query["limit"]):]
        start = _size(lines) - _size(chosen)
        return wire.LogPage(id=log_id, generation=1, start=start, end=_size(lines), size=size, lines=chosen)

    def _chat(self, method: str, path: str, body: Any) -> Answer:
        if path == "/chats" and method == "GET":
            return [chat.session for chat in self.chats.values()]
        if path == "/chats":
            self.hold_chat.wait(60)
            if self.refusal:
                raise Refused(*self.refusal)
            session = wire.ChatSession(id=f"c{len(self.chats) + 1}", model=body["model"], title=body["title"])
            self.chats[session.id] = wire.Chat(session=session)
            return self.chats[session.id]
        if method == "PUT":
            self.chats[path.split("/")[2]].session.title = body["title"]
        elif method == "DELETE" and not path.endswith("/turn"):
            del self.chats[path.split("/")[2]]
            return wire.Done()
        elif method == "DELETE" and self.deaf:
            self.hold_turn.wait(60)
        elif method == "DELETE":
            self.stopped.add(path)
            self.hold_turn.set()
        return self.chats[path.split("/")[2]]

    def stream(self, path: str, query: Mapping[str, str], closed: threading.Event) -> Iterator[tuple[str, str, Any]]:
        """Events as (kind, id, data), until the server closes."""
        if path == "/events":
            at, kinds = len(self._events), [PING, *query.get("kinds", "status,gpu,metrics").split(",")]
            for kind in ("status", "gpu", "metrics"):
                if kind in kinds:
                    yield kind, "1", wire.to_builtins(getattr(self, {"gpu": "gpus"}.get(kind, kind)))
            news = self._follow(self._events, at, closed, (PING, None), float(query.get("ping", "15")))
            yield from ((kind, "1", data) for kind, data in news if kind in kinds)
        elif path.endswith("/turn"):
            for kind, data in self.turn:
                if kind == "pause":
                    yield from self._pause(float(query.get("ping", "15")))
                elif path in self.stopped:
                    over = wire.ChatMessage(id="m", session_id="c", role="assistant", content="Two", state="stopped")
                    yield "done", "", wire.to_builtins(over)
                    return
                else:
                    yield kind, "", data
        else:
            lines, offset, at = self.logs[path.split("/")[2]], int(query.get("offset", "0")), 0
            while _size(lines[:at]) < offset:
                at += 1
            for text in self._follow(lines, at, closed):
                offset += _size([text])
                yield "log", f"1:{offset}", {"line": text}

    def _pause(self, ping_s: float) -> Iterator[Any]:
        """Nothing until `hold_turn`, but for pings; with `mute` not even these."""
        deadline = time.monotonic() + 10
        while not self.hold_turn.wait(0.01 if self.mute else ping_s) and time.monotonic() < deadline:
            if not self.mute:
                yield PING, "", None

    def _follow(
        self, source: list[Any], at: int, closed: threading.Event, ping: Any = None, ping_s: float = 15.0
    ) -> Iterator[Any]:
        """What is new, and `ping` where nothing was for so long."""
        last = time.monotonic()
        while not closed.is_set():
            with self.news:
                if at >= len(source):
                    self.news.wait(0.05)
                new = source[at:]
            at += len(new)
            yield from new
            if new:
                last = time.monotonic()
            elif ping is not None and time.monotonic() - last >= ping_s:
                last = time.monotonic()
                yield ping


def _size(lines: list[str]) -> int:
    """The bytes of lines with their ends."""
    return sum(len(one.encode("utf-8", "replace")) + 1 for one in lines)
