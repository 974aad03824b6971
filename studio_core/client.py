"""The typed client of the control API that app and command line use: standard library and the wire models.

Blocking; the app calls it from threads. Streams can be closed from another thread.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import msgspec

from studio_core import wire
from studio_core.errors import BadSetting, Conflict, Daemonless, Denied, NotFound, StudioError, by_code
from studio_core.paths import connect, peer_uid
from studio_core.recipes.patch import merged

T = TypeVar("T")
TIMEOUT_S = 30.0
# The states in which a launch stays.
OVER = frozenset({"ready", "failed", "cancelled", "superseded"})


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the owner's socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("studio", timeout=timeout)
        self._path = path
        self._patience = timeout

    def connect(self) -> None:
        self.sock = connect(self._path, self._patience)
        if (owner := peer_uid(self.sock)) not in (os.getuid(), 0) and os.getuid() != 0:
            self.close()
            raise Denied(
                f"the Studio at {self._path.parent} is run by uid {owner}", f"this is uid {os.getuid()}",
                "use your own: set VLLM_STUDIO_DATA_DIR",
            )


class Stream:
    """Server-sent events as they come. `close()` ends it, also from another thread."""

    def __init__(self, connection: http.client.HTTPConnection, link: socket.socket, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._socket = link
        self._response = response

    def __iter__(self) -> Iterator[wire.Event]:
        fields: dict[str, str] = {}
        data: list[str] = []
        try:
            for raw in self._response:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                name, _, value = line.partition(":")
                if not line and (fields or data):
                    yield wire.Event(event=fields.get("event", "message"), data=_payload(data), id=fields.get("id", ""))
                    fields, data = {}, []
                elif name == "data":
                    data.append(value.removeprefix(" "))
                elif name:
                    fields[name] = value.removeprefix(" ")
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            return
        finally:
            self.close()

    def close(self) -> None:
        # First the socket: who waits in a read of it is woken, and only then lets the answer be closed.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError, AttributeError, ValueError):
            self._response.close()
            self._connection.close()


def _payload(data: list[str]) -> Any:
    text = "\n".join(data)
    try:
        body = json.loads(text)
    except ValueError:
        return text
    return body["data"] if isinstance(body, dict) and {"data", "timestamp"} == set(body) else body


class Client:
    """One Studio: through its socket, or `url` with a key. Every call raises StudioError, Daemonless when nobody answers."""

    def __init__(self, path: Path | None = None, url: str = "", key: str = "", patience: float = TIMEOUT_S) -> None:
        self._path = path
        self._url = _address(url) if url else urlsplit("")
        self._key = key
        self._patience = patience
        if not (key.isascii() and key.isprintable()):
            raise BadSetting("the key cannot be sent", "it holds other characters than plain ASCII", "see: studio keys admin")

    @property
    def place(self) -> str:
        """What is driven, for the status bar."""
        return self._url.netloc or socket.gethostname()

    # What runs.

    def status(self) -> wire.Status:
        return self._get("/status", wire.Status)

    def gpus(self) -> wire.Gpus:
        return self._get("/gpus", wire.Gpus)

    def config(self) -> dict[str, Any]:
        return self._get("/config", dict[str, Any])

    def usage(self) -> dict[str, Any]:
        return self._get("/usage", dict[str, Any])

    def instances(self) -> list[wire.Instance]:
        return self.status().instances

    def events(self) -> Stream:
        return self._stream("GET", "/events")

    # Recipes and lifecycle.

    def recipes(self) -> list[wire.RecipeView]:
        return self._get("/recipes", list[wire.RecipeView])

    def recipe(self, recipe_id: str) -> wire.RecipeView:
        return self._get(f"/recipes/{quote(recipe_id, safe='')}", wire.RecipeView)

    def engines(self) -> wire.Engines:
        return self._get("/engines", wire.Engines)

    def install(self, engine: str, version: str = "") -> wire.Job:
        """Begin to build an engine's own environment. Raises Conflict when that is under way."""
        return self._send("POST", f"/engines/{quote(engine, safe='') or '-'}/install", wire.Job, {"version": version})

    def cancel_install(self, engine: str) -> wire.Job:
        return self._send("DELETE", f"/engines/{quote(engine, safe='') or '-'}/install", wire.Job)

    def check(self, recipe_id: str, ask: bool = False) -> wire.Check:
        """What is wrong with a recipe, and its command. `ask` the engine itself: half a minute at worst."""
        path = f"/recipes/{quote(recipe_id, safe='')}/check?ask={str(ask).lower()}"
        return self._send("GET", path, wire.Check, endless=True)

    def put_recipe(self, data: Mapping[str, Any], version: int | None = None) -> wire.Stored:
        """Store a recipe; with the version that was read, a change made meanwhile is a RecipeChanged error."""
        if version is None:
            return self._send("POST", "/recipes", wire.Stored, data)
        path = f"/recipes/{quote(str(data.get('id', '')), safe='')}"
        return self._send("PUT", path, wire.Stored, {**data, "version": version})

    def shell_line(self, recipe_id: str) -> wire.ShellLine:
        """A recipe as a line for a shell, without its secrets."""
        return self._get(f"/recipes/{quote(recipe_id, safe='')}/shell", wire.ShellLine)

    def read_recipes(self, text: str, kind: str = "") -> wire.Import:
        """A command or another tool's file as recipes; nothing is stored."""
        return self._send("POST", "/recipes/import", wire.Import, {"text": text, "kind": kind})

    def failure(self, recipe_id: str) -> wire.Failure | None:
        """Why the newest start of a recipe failed; None where it did not, or nobody remembers."""
        status = self.status()
        mine = [one for one in status.instances if one.recipe_id == recipe_id]
        if mine:
            return next((one.failure for one in mine if one.failure is not None), None)
        tried = [one for one in status.launches if one.recipe_id == recipe_id]
        return max(tried, key=lambda one: one.created_at).failure if tried else None

    def remedy(self, recipe_id: str) -> wire.Fix:
        """The change that its failure calls for. Raises NotFound."""
        failure = self.failure(recipe_id)
        if failure is None:
            raise NotFound(f"{recipe_id} has not failed", "", f"start it: studio launch {recipe_id}")
        if failure.fix is None:
            raise NotFound(f"no change of the recipe is known against: {failure.title}", failure.detail, failure.hint)
        return failure.fix

    def fix_recipe(self, recipe_id: str, expected: str = "") -> wire.Stored:
        """Make that change, on the recipe as it is stored now.

        Raises:
            NotFound: nothing failed, or no change is known. Conflict: the change is no longer the one `expected` by its title.
        """
        fix, found = self.remedy(recipe_id), self.recipe(recipe_id)
        if expected and fix.title != expected:
            raise Conflict(f"{recipe_id} has failed in another way since", fix.title, "look again")
        return self.put_recipe({**merged(found.recipe, fix.change), "id": found.id}, found.version)

    def delete_recipe(self, recipe_id: str) -> None:
        self._send("DELETE", f"/recipes/{quote(recipe_id, safe='')}", Any)

    def take_over(self, path: Path) -> wire.Takeover:
        """Take over vLLM Studio's database at `path` on the server; it stays as it is."""
        return self._send("POST", "/import/vllm-studio", wire.Takeover, {"path": str(path)}, endless=True)

    def launch(self, recipe_id: str, wait: bool = False, force: bool = False) -> wire.Launch:
        """Start a recipe; returns at once, or with `wait` when the launch is over. Raises LaunchFailed and others."""
        query = urlencode({"wait": "false", "force": str(force).lower()})
        answer: wire.LaunchAnswer = self._send("POST", f"/launch/{quote(recipe_id, safe='')}?{query}", wire.LaunchAnswer)
        return self.over(answer.launch_id) if wait else self.launch_state(answer.launch_id)

    def over(self, launch_id: str) -> wire.Launch:
        """Wait until the launch is over. Raises as `launch_states` does."""
        *_, last = self.launch_states(launch_id)
        return last

    def launch_states(self, launch_id: str) -> Iterator[wire.Launch]:
        """The launch after each change; the last one is over.

        Raises:
            Daemonless: the controller went away; the launch may go on.
        """
        with contextlib.closing(self.events()) as stream:
            for event in stream:
                if event.event in ("launch_progress", "status"):
                    launch = self.launch_state(launch_id)
                    yield launch
                    if launch.state in OVER:
                        return
        raise Daemonless("Studio went away during the launch", "its engine goes on", "see: studio ps")

    def launch_state(self, launch_id: str) -> wire.Launch:
        return self._get(f"/launches/{quote(launch_id, safe='')}", wire.Launch)

    def cancel(self, recipe_id: str) -> wire.Launch:
        return self._send("POST", f"/launch/{quote(recipe_id, safe='')}/cancel", wire.Launch)

    def evict(self, instance_id: str | None = None, force: bool = False) -> wire.Evicted:
        """Stop one instance or all; waits until they are gone."""
        query = {"force": str(force).lower(), **({"instance": instance_id} if instance_id else {})}
        return self._send("POST", f"/evict?{urlencode(query)}", wire.Evicted, endless=True)

    def foreign(self) -> list[wire.Foreign]:
        return self._get("/foreign", list[wire.Foreign])

    def attach(self, pid: int, name: str = "", key: str = "", ticks: int | None = None) -> wire.Foreign:
        """Serve a foreign engine under a name, until it ends or is detached."""
        return self._send("POST", f"/foreign/{pid}/attach", wire.Foreign, {"name": name, "key": key, "ticks": ticks})

    def detach(self, pid: int) -> None:
        self._send("POST", f"/foreign/{pid}/detach", Any)

    def stop_foreign(self, pid: int, ticks: int, confirm: str, force: bool = False) -> None:
        """End a foreign engine; `ticks` as it was shown, `confirm` its name. Waits until it is gone."""
        body = {"ticks": ticks, "confirm": confirm, "force": force}
        self._send("POST", f"/foreign/{pid}/stop", Any, body, endless=True)

    def sleep(self, name: str, level: int = 0, force: bool = False) -> wire.Instance:
        """Of an instance or a recipe; waits until it sleeps. Raises Conflict where it cannot."""
        query = urlencode({"level": level, "force": str(force).lower()})
        return self._send("POST", f"/instances/{quote(name, safe='')}/sleep?{query}", wire.Instance, endless=True)

    def wake(self, name: str) -> wire.Instance:
        return self._send("POST", f"/instances/{quote(name, safe='')}/wake", wire.Instance, endless=True)

    def adapters(self, name: str) -> list[wire.Adapter]:
        return self._send("GET", f"/instances/{quote(name, safe='')}/adapters", list[wire.Adapter])

    def load_adapter(self, name: str, adapter: str, path: str) -> list[wire.Adapter]:
        body = {"name": adapter, "path": path}
        return self._send("POST", f"/instances/{quote(name, safe='')}/adapters", list[wire.Adapter], body, endless=True)

    def unload_adapter(self, name: str, adapter: str) -> list[wire.Adapter]:
        path = f"/instances/{quote(name, safe='')}/adapters/{quote(adapter, safe='')}"
        return self._send("DELETE", path, list[wire.Adapter], endless=True)

    # Logs and chats.

    def logs(self) -> list[wire.LogFile]:
        return self._get("/logs", wire.Logs).sessions

    def log(self, log_id: str, **query: Any) -> wire.LogPage:
        """Lines of a log; the query is that of GET /logs/{id}."""
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        return self._get(f"/logs/{quote(log_id, safe='')}?{asked}", wire.LogPage)

    def follow(self, log_id: str, offset: int = 0, generation: int = 0) -> Stream:
        """A log from a byte on: events log, skipped, end. An event's id is `generation:offset`, from where to go on."""
        query = urlencode({"offset": offset, "generation": generation})
        return self._stream("GET", f"/logs/{quote(log_id, safe='')}/stream?{query}")

    def delete_log(self, log_id: str) -> None:
        self._send("DELETE", f"/logs/{quote(log_id, safe='')}", Any)

    def chats(self) -> list[wire.ChatSession]:
        return self._get("/chats", list[wire.ChatSession])

    def new_chat(self, model: str | None = None, title: str = "New Chat") -> wire.ChatSession:
        answer: dict[str, Any] = self._send("POST", "/chats", dict[str, Any], {"model": model, "title": title})
        return msgspec.convert(answer.get("session", answer), wire.ChatSession)

    def chat(self, chat_id: str) -> wire.Chat:
        return self._get(f"/chats/{quote(chat_id, safe='')}", wire.Chat)

    def delete_chat(self, chat_id: str) -> None:
        self._send("DELETE", f"/chats/{quote(chat_id, safe='')}", Any)

    def turn(self, chat_id: str, text: str, model: str | None = None) -> Stream:
        """Ask, and stream the answer: message, delta, usage, done, error."""
        return self._stream("POST", f"/chats/{quote(chat_id, safe='')}/turn", {"content": text, "model": model})

    def stop_turn(self, chat_id: str) -> wire.ChatMessage:
        """End the answer that is being written; answers with what there is of it. Raises NotFound when there is none."""
        return self._send("DELETE", f"/chats/{quote(chat_id, safe='')}/turn", wire.ChatMessage)

    def shutdown(self, engines: bool = False) -> None:
        self._send("POST", f"/shutdown?engines={str(engines).lower()}", Any)

    # HTTP.

    def _connection(self, patience: float | None) -> http.client.HTTPConnection:
        if self._path is not None:
            return _UnixConnection(self._path, patience)
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        return kind(self._url.hostname or "", self._url.port, timeout=patience)

    def _open(
        self, method: str, path: str, body: Any, accept: str, patience: float | None
    ) -> tuple[http.client.HTTPConnection, socket.socket, http.client.HTTPResponse]:
        """The open answer, and the socket it comes through: http.client forgets that of a last answer."""
        connection = self._connection(patience)
        headers = {"Accept": accept, **({"Authorization": f"Bearer {self._key}"} if self._key else {})}
        sent = None
        if body is not None:
            headers["Content-Type"], sent = "application/json", json.dumps(body).encode()
        try:
            connection.request(method, self._url.path.rstrip("/") + path, sent, headers)
            link = connection.sock
            response = connection.getresponse()
            if response.status >= 400:
                problem = _error(response.status, response.read())
                connection.close()
                raise problem
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._silent(error) from error
        return connection, link, response

    def _silent(self, error: Exception) -> Daemonless:
        where = f"at {self._url.geturl()}" if self._path is None else ""
        hint = "check the address, and that Studio runs there" if where else "start it: studio up"
        return Daemonless(" ".join(filter(None, ["Studio does not answer", where])), str(error), hint)

    def _send(self, method: str, path: str, kind: type[T] | Any, body: Any = None, endless: bool = False) -> T:
        connection, _, response = self._open(method, path, body, "application/json", None if endless else self._patience)
        try:
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Daemonless("Studio went away in the middle of its answer", str(error), "see: studio status") from error
        finally:
            connection.close()
        try:
            found: T = msgspec.json.decode(data, type=kind) if data else None  # type: ignore[assignment]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StudioError(f"the answer of {path} cannot be read", str(error), "is a Studio of this version there?") from error
        return found

    def _get(self, path: str, kind: type[T]) -> T:
        return self._send("GET", path, kind)

    def _stream(self, method: str, path: str, body: Any = None) -> Stream:
        return Stream(*self._open(method, path, body, "text/event-stream", None))


def _address(url: str) -> SplitResult:
    """The parts of `url`; http where no scheme is given.

    Raises:
        BadSetting: it names no host, or nothing that we can speak.
    """
    with contextlib.suppress(ValueError):
        found = urlsplit(url if "://" in url else f"http://{url}")
        if found.scheme in ("http", "https") and found.hostname and found.port != 0:
            return found
    raise BadSetting(f"{url!r} is not an address of a Studio", "", "write it like http://127.0.0.1:8080")


def told(problem: wire.Problem) -> StudioError:
    """The error as the class that it was; what it says twice is said once."""
    detail = problem.detail.removeprefix(problem.title).removeprefix(": ").removesuffix(f" Hint: {problem.hint}")
    return by_code(problem.code)(problem.title, detail, problem.hint)


def _error(status: int, data: bytes) -> StudioError:
    try:
        return told(msgspec.json.decode(data, type=wire.Problem))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return StudioError(f"Studio answered {status}", data[:300].decode("utf-8", "replace"))
