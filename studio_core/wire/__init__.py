"""What travels over the control API, as light structs that server, command line and app share.

Times are ISO 8601 in UTC, ages and durations seconds (computed by the server), sizes bytes.
Unknown fields are ignored when read, so a client of another version still works.
"""

from __future__ import annotations

from typing import Any

import msgspec

from studio_core.wire.chat import Chat, ChatMessage, ChatSession
from studio_core.wire.check import Check, Finding, NodeLine, Parser, Variable
from studio_core.wire.engine import Adapter, Engines, Installed, Job
from studio_core.wire.flight import Flight, Flights
from studio_core.wire.foreign import Attach, Foreign, ForeignStop
from studio_core.wire.gpu import Gpu, GpuProcess, Gpus, GpuSlice, Host
from studio_core.wire.house import DoctorFinding, KeyView, KeyWish, NewKey, SettingChange, SettingView
from studio_core.wire.importing import Import, Imported, ShellLine
from studio_core.wire.metric import Metrics, ModelMetrics, Samples
from studio_core.wire.model import Model, to_builtins
from studio_core.wire.model_file import ModelFile, ModelFiles, ModelRoot
from studio_core.wire.plan import LaunchPlan, Leaving

__all__ = [
    "Adapter", "Attach", "Chat", "ChatMessage", "ChatSession", "Check", "DoctorFinding", "Engines", "Finding", "Flight",
    "Flights", "Foreign", "ForeignStop", "Gpu", "GpuProcess", "GpuSlice", "Gpus", "Host", "Import", "Imported", "Installed",
    "Job", "KeyView", "KeyWish", "LaunchPlan", "Leaving", "Metrics", "Model", "ModelFile", "ModelFiles", "ModelMetrics",
    "ModelRoot", "NewKey", "NodeLine", "Parser", "Samples", "SettingChange", "SettingView", "ShellLine", "Variable",
    "to_builtins",
]


class Problem(Model):
    """An error as the API answers it: `StudioError.body()`."""

    title: str
    detail: str = ""
    hint: str = ""
    code: str = ""


class Fix(Model):
    """A remedy that needs no person to type it: `change` is a merge patch (RFC 7396) of the recipe's stored fields."""

    title: str
    change: dict[str, Any] = {}


class Failure(Model):
    """Why an instance or a launch failed: cause in words, remedy, the error's code, and the last lines of its log.

    `evidence` are the lines that told the cause (also in `detail`), `fix` a change of the recipe that removes it.
    """

    title: str
    detail: str = ""
    hint: str = ""
    code: str = "launch_failed"
    lines: list[str] = []
    evidence: list[str] = []
    fix: Fix | None = None


class Exit(Model):
    """How the engine's first process ended. Neither code nor signal: its status is unknown, which is never 0."""

    code: int | None = None
    signal: int | None = None


class Progress(Model):
    """How far a start is. `percent` is None while the engine has printed no milestone.

    `eta_s` is what is left, `total_s` the expected length of the whole start, both from earlier starts of the recipe.
    """

    stage: str = ""
    percent: float | None = None
    message: str = ""
    eta_s: float | None = None
    total_s: float | None = None


class Instance(Model):
    """One engine that runs, starts or leaves something behind.

    `state` is one of: starting, downloading, loading, ready, sleeping, draining, stopping, cleaning,
    gone, failed, stuck.
    """

    id: str
    recipe_id: str
    name: str
    engine: str
    state: str
    host: str = "127.0.0.1"
    port: int = 0
    model_path: str = ""
    served_names: list[str] = []
    shim_pid: int | None = None
    engine_pid: int | None = None
    launch_id: str = ""
    started_at: str = ""
    ready_at: str | None = None
    age_s: float = 0.0
    progress: Progress = msgspec.field(default_factory=Progress)
    failure: Failure | None = None
    exit: Exit | None = None
    running: int = 0
    waiting: int = 0
    recipe_changed: bool = False
    pinned: bool = False
    sleep_level: int | None = None
    memory_bytes: int | None = None
    actions: list[str] = []


class StartCommand(Model):
    """GET /instances/{instance}/command. What is secret in `argv` is stars; the environment is not told."""

    id: str
    argv: list[str]
    started_at: str = ""


class Launch(Model):
    """One attempt to get a recipe running.

    `state` is one of: planned, waiting, starting, ready, failed, cancelled, superseded.
    `stage` is the same in vLLM Studio's words: preempting, evicting, launching, waiting, ready, error, cancelled.
    `origin` is person, acquire (requests waited) or restart: then it is the `restart`th of at most `restart_limit` in a row,
    and while it pauses, `next_try_s` seconds are left.
    """

    id: str
    recipe_id: str
    state: str
    stage: str = ""
    origin: str = "person"
    restart: int = 0
    restart_limit: int = 0
    next_try_s: float | None = None
    instance_id: str | None = None
    message: str = ""
    progress: Progress = msgspec.field(default_factory=Progress)
    leaving: list[str] = []
    failure: Failure | None = None
    log_file: str | None = None
    created_at: str = ""
    age_s: float = 0.0


class LaunchAnswer(Model):
    """What POST /launch answers when the launch is over."""

    success: bool
    message: str = ""
    pid: int | None = None
    log_file: str | None = None
    instance: str | None = None
    launch_id: str = ""


class Daemon(Model):
    """One of Studio's own processes."""

    pid: int | None = None
    version: str = ""
    started_at: str = ""
    age_s: float = 0.0


class Gateway(Daemon):
    host: str = ""
    port: int = 0
    connected: bool = False
    tls: bool = False
    inflight: int = 0
    waiting: int = 0

    @property
    def url(self) -> str:
        """The address as a client writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


class Process(Model):
    """The running engine as vLLM Studio's clients know it."""

    pid: int | None
    backend: str
    model_path: str
    port: int
    served_model_name: str | None = None


class Status(Model):
    """GET /status: what runs. `running`, `process`, `inference_port` and `launching` are vLLM Studio's fields."""

    running: bool
    process: Process | None
    inference_port: int
    launching: str | None
    controller: Daemon = msgspec.field(default_factory=Daemon)
    gateway: Gateway = msgspec.field(default_factory=Gateway)
    probe: Daemon = msgspec.field(default_factory=Daemon)
    instances: list[Instance] = []
    launches: list[Launch] = []
    holds: list[str] = []
    notices: list[str] = []
    foreign: list[Foreign] = []
    state_dir: str = ""


class Snapshot(Model):
    """GET /snapshot: what a first look needs, in one answer."""

    status: Status
    gpus: Gpus
    metrics: Metrics
    samples: Samples


class RecipeView(Model):
    """A recipe in GET /recipes: its stored fields, its version (for PUT), and what it does now.

    `recipe` holds every field as stored. `status` is vLLM Studio's: running, starting, stopped, error. `parsers` are what
    an engine that needs them would be given, by kind (tool, reasoning). `size_bytes` are its weights on this machine,
    `memory_bytes` the most that its engine was seen to hold, `tokens_per_s` the speed of its newest answers; last used is
    its newest request or start.
    """

    id: str
    name: str
    backend: str
    model_path: str
    version: int
    status: str
    recipe: dict[str, Any] = {}
    instance_id: str | None = None
    state: str = ""
    hold: bool = False
    problems: list[str] = []
    last_used_at: str | None = None
    last_used_age_s: float | None = None
    last_load_s: float | None = None
    size_bytes: int | None = None
    memory_bytes: int | None = None
    tokens_per_s: float | None = None
    parsers: dict[str, Parser] = {}


class LogFile(Model):
    """One log in GET /logs. `id` is an instance's id, or `controller`, `gateway`, `probe`."""

    id: str
    recipe_id: str = ""
    name: str = ""
    size: int = 0
    modified_at: str = ""
    live: bool = False
    recipe_name: str | None = None
    model_path: str | None = None
    model: str | None = None
    backend: str | None = None
    created_at: str = ""
    status: str = "stopped"


class Logs(Model):
    """GET /logs, the newest first. The fields of vLLM Studio are among `LogFile`'s."""

    sessions: list[LogFile] = []


class LogPage(Model):
    """Lines of a log between two offsets (bytes since the start of this generation of the log)."""

    id: str
    generation: int
    start: int
    end: int
    size: int
    skipped: int = 0
    lines: list[str] = []
    matches: int | None = None
    content: str = ""
    logs: list[str] = []


class Stored(Model):
    """What storing a recipe answers."""

    success: bool
    id: str
    version: int


class Taken(Model):
    """Rows of one table: taken over, here already, and left behind (the report's notes say why)."""

    taken: int = 0
    already: int = 0
    skipped: int = 0


class Takeover(Model):
    """What was taken over from vLLM Studio."""

    source: str
    tables: dict[str, Taken] = {}
    notes: list[str] = []


class Done(Model):
    """What deleting answers."""

    success: bool = True


class Evicted(Model):
    """POST /evict: `evicted_pid` is the first stopped engine's, None when nothing ran."""

    success: bool = True
    evicted_pid: int | None = None
    instances: list[Instance] = []


class Readiness(Model):
    """GET /wait-ready."""

    ready: bool
    elapsed: float
    error: str | None = None
    instance: str | None = None


class Event(Model):
    """One server-sent event: its kind, its sequence within the stream, and its data."""

    event: str
    data: Any = None
    id: str = ""

    @property
    def place(self) -> tuple[int, int] | None:
        """Generation and offset of a log's event: from where to go on."""
        generation, _, offset = self.id.partition(":")
        return (int(generation), int(offset)) if generation.isdigit() and offset.isdigit() else None
