"""One table of all paths: who answers each, and which scope it needs.

Authorisation in gateway and controller, `openapi.json` and the compatibility test are made from it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

# Who answers: the engine behind the route table, the gateway itself, or the controller.
ENGINE, GATEWAY, CONTROLLER = "engine", "gateway", "controller"
# `define` is what runs commands or makes keys: the owner's socket, or an admin key while `remote_admin` is on.
ADMIN, DEFINE, INFERENCE, READ, METRICS = "admin", "define", "inference", "read", "metrics"

# `own` is for whoever infers or reads: a key that may only infer sees and ends its own requests.
OWN = "own"

REQUESTS = "/v1/studio/requests"
METRICS_PATH = "/metrics"
PRINCIPAL_HEADER = "x-studio-principal"
REQUEST_ID_HEADER = "x-request-id"
# A caller who sends it wants to look only: whatever scope he has, nothing but GET is done for him.
READ_ONLY_HEADER = "x-studio-read-only"


class Route(NamedTuple):
    """One method and path. `{name}` in the path stands for one segment, `{name:path}` for the rest."""

    method: str
    path: str
    answers: str
    scope: str
    summary: str

    @property
    def pattern(self) -> re.Pattern[str]:
        return _compile(self.path)

    def parameters(self, path: str) -> dict[str, str]:
        """What a matching path has at the places of the names."""
        match = self.pattern.match(path)
        return match.groupdict() if match else {}


@cache
def _compile(path: str) -> re.Pattern[str]:
    text = re.sub(r"\{(\w+):path\}", r"(?P<\1>.+)", path)
    text = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", text)
    return re.compile(text + r"\Z")


def _rows(answers: str, scope: str, *rows: tuple[str, str, str]) -> tuple[Route, ...]:
    return tuple(Route(method, path, answers, scope, summary) for method, path, summary in rows)


TABLE: tuple[Route, ...] = (
    *_rows(
        GATEWAY, READ,
        ("GET", "/health", "whether the gateway lives, and what it can serve"),
        ("GET", "/v1/models", "the models by their public names, in OpenAI's shape"),
        ("GET", "/v1/models/{model:path}", "one model"),
    ),
    *_rows(
        ENGINE, INFERENCE,
        ("POST", "/v1/chat/completions", "chat, streaming or not"),
        ("POST", "/v1/completions", "text completion"),
        ("POST", "/v1/embeddings", "embeddings, where the engine has them"),
        ("POST", "/v1/responses", "OpenAI's responses, where the engine has them"),
        ("POST", "/v1/messages", "Anthropic's messages, where the engine has them"),
        ("POST", "/v1/messages/count_tokens", "their size in tokens, where the engine counts it"),
        ("POST", "/v1/rerank", "rerank, where the engine has it"),
        ("POST", "/v1/tokenize", "text to tokens, where the engine has it"),
        ("POST", "/v1/detokenize", "tokens to text, where the engine has it"),
    ),
    *_rows(
        ENGINE, ADMIN,
        *((method, "/upstream/{instance}/{rest:path}", "an engine's own path, as it is")
          for method in ("GET", "POST", "PUT", "DELETE")),
    ),
    *_rows(
        CONTROLLER, READ,
        ("GET", "/status", "what runs, and every process of Studio"),
        ("GET", "/gpus", "GPUs and host"),
        ("GET", "/samples", "how machine and models did, as series for a graph"),
        ("GET", "/snapshot", "status, GPUs, metrics and samples at once, for a first look"),
        ("GET", "/config", "settings with their origin, services and addresses"),
        ("GET", "/events", "server-sent events: status, gpu, metrics, launch_progress, changes"),
        ("GET", "/events/stats", "subscribers and counts of the event stream"),
        ("GET", "/openapi.json", "this API, described"),
        ("GET", "/recipes", "the recipes with their state"),
        ("GET", "/recipes/{recipe_id}", "one recipe"),
        ("GET", "/recipes/{recipe_id}/plan", "what its launch would do: who leaves, whether it fits, how long it takes"),
        ("GET", "/plans", "the same of every recipe"),
        ("GET", "/engines", "the engines of this machine, and what is being installed"),
        ("GET", "/launches/{launch_id}", "one launch"),
        ("GET", "/instances", "what runs, starts, or left something behind"),
        ("GET", "/foreign", "engines of this machine that Studio did not start"),
        ("GET", "/wait-ready", "wait until a model is ready"),
        ("GET", "/v1/studio/models", "model files found on this machine"),
        ("GET", "/usage", "requests and tokens, summed"),
        ("GET", "/peak-metrics", "best figures per model"),
        ("GET", "/lifetime-metrics", "counters over the life of this installation"),
    ),
    *_rows(
        CONTROLLER, OWN,
        ("GET", REQUESTS, "requests under way, over all gateways; while the controller is away, those of this one"),
        ("DELETE", f"{REQUESTS}/{{request_id}}", "cancel a request under way"),
    ),
    *_rows(CONTROLLER, METRICS, ("GET", METRICS_PATH, "everything above as Prometheus text")),
    *_rows(
        CONTROLLER, ADMIN,
        ("GET", "/recipes/{recipe_id}/shell", "a recipe as a line for a shell, without its secrets"),
        ("GET", "/recipes/{recipe_id}/check", "what is wrong with a recipe, and the command that a launch would run"),
        ("POST", "/launch/{recipe_id}", "run a recipe"),
        ("POST", "/launch/{recipe_id}/cancel", "cancel its launch"),
        ("POST", "/evict", "stop what runs"),
        ("POST", "/instances/{instance}/sleep", "let an engine give its memory back; the next request wakes it"),
        ("POST", "/instances/{instance}/wake", "wake a sleeping engine"),
        ("GET", "/instances/{instance}/adapters", "its LoRA adapters"),
        ("POST", "/instances/{instance}/adapters", "load a LoRA adapter; clients may ask for it by its name"),
        ("PUT", "/instances/{instance}/adapters/{name}", "set how much an adapter of a llama.cpp server counts"),
        ("DELETE", "/instances/{instance}/adapters/{name}", "unload an adapter that was loaded so"),
        ("GET", "/instances/{instance}/command", "the command that it was started with, without its secrets"),
        ("GET", "/instances/{instance}/slots", "the slots of a llama.cpp server"),
        ("POST", "/instances/{instance}/slots/{slot}", "save, restore or erase a slot"),
        ("POST", "/foreign/{pid}/attach", "serve an engine that Studio did not start, under a name"),
        ("POST", "/foreign/{pid}/detach", "serve it no more; it goes on"),
        ("POST", "/foreign/{pid}/stop", "end it: needs its start ticks as they were shown, and its name"),
        ("GET", "/logs", "the logs there are"),
        ("GET", "/logs/{log_id}", "lines of a log, by range, filtered or searched"),
        ("DELETE", "/logs/{log_id}", "delete the log of an engine that is gone"),
        ("GET", "/logs/{log_id}/stream", "follow a log"),
        ("GET", "/chats", "the stored chats"),
        ("POST", "/chats", "start a chat"),
        ("GET", "/chats/{chat_id}", "a chat with its messages"),
        ("PUT", "/chats/{chat_id}", "rename a chat or change its model"),
        ("DELETE", "/chats/{chat_id}", "delete a chat"),
        ("POST", "/chats/{chat_id}/messages", "append a message"),
        ("POST", "/chats/{chat_id}/turn", "append a message and stream the answer"),
        ("DELETE", "/chats/{chat_id}/turn", "stop the answer that is being written; what there is of it is stored"),
        ("DELETE", "/engines/{engine}/install", "cancel an installation"),
        ("GET", "/settings", "every setting with its value, its origin and what studio.yaml says"),
        ("GET", "/doctor", "what is wrong with this machine, each finding with a remedy"),
        ("POST", "/restart", "a new controller in place of this one; engines and streams go on"),
        ("POST", "/shutdown", "end the controller, and with ?engines=true the engines"),
    ),
    *_rows(
        CONTROLLER, INFERENCE,
        ("POST", "/v1/count-tokens", "count the tokens of a text"),
        ("POST", "/v1/tokenize-chat-completions", "count the tokens of a chat request"),
    ),
    *_rows(
        CONTROLLER, DEFINE,
        ("POST", "/engines/{engine}/install", "build an engine's own environment"),
        ("POST", "/recipes", "store a recipe"),
        ("POST", "/recipes/check", "what is wrong with a recipe that is not stored"),
        ("POST", "/recipes/import", "read a command or another tool's file as recipes; stores nothing"),
        ("PUT", "/recipes/{recipe_id}", "change a recipe, with the version that was read"),
        ("DELETE", "/recipes/{recipe_id}", "delete a recipe"),
        ("PUT", "/settings", "change studio.yaml; what daemons read holds from a restart on"),
        ("GET", "/keys", "the keys there are, without the keys"),
        ("POST", "/keys", "make a key with scopes; it is shown once"),
        ("DELETE", "/keys/{key_id}", "revoke a key"),
        ("POST", "/import/vllm-studio", "take over a database of vLLM Studio that lies on this machine"),
    ),
)


def find(method: str, path: str) -> Route | None:
    """The row for a request, or None. HEAD is answered as GET."""
    method = "GET" if method == "HEAD" else method
    plain = _PLAIN.get((method, path))
    return plain or next((row for row in TABLE if row.method == method and row.pattern.match(path)), None)


# No row with a name in its path stands before a plain one that it would match.
_PLAIN = {(row.method, row.path): row for row in reversed(TABLE) if "{" not in row.path}


def methods(path: str) -> list[str]:
    """The methods that a path takes; empty when there is no such path."""
    return [row.method for row in TABLE if row.pattern.match(path)]


def allowed(scope: str, scopes: frozenset[str], *, owner: bool = False, remote_admin: bool = False) -> bool:
    """Whether a caller with `scopes` may use a route that needs `scope`.

    The owner may do all. Admin includes the rest, except what defines commands unless `remote_admin` is on.
    """
    if owner:
        return True
    if scope == DEFINE:
        return remote_admin and ADMIN in scopes
    if scope == OWN:
        return bool(scopes & {ADMIN, INFERENCE, READ})
    return scope in scopes or ADMIN in scopes


def sees_all(scopes: frozenset[str]) -> bool:
    """Whether a caller sees the requests of others too."""
    return bool(scopes & {ADMIN, READ})
