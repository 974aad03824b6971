"""The settings: one table, four sources, and for every value where it came from.

Command line beats environment (`VLLM_STUDIO_<NAME>`) beats the user's `studio.yaml` in the state
directory beats the shipped `config/studio.yaml` beats the default in the table below.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from studio_core import server
from studio_core.errors import BadSetting
from studio_core.paths import Places, default_state_dir, shipped
from studio_core.text import yaml_problem

PREFIX = "VLLM_STUDIO_"


def _integer(text: Any) -> int:
    if isinstance(text, bool):
        raise ValueError("a whole number")
    return int(text)


def _boolean(text: Any) -> bool:
    if isinstance(text, bool):
        return text
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(text).strip().lower() not in words:
        raise ValueError("true or false")
    return words[str(text).strip().lower()]


def _words(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(str(part).strip() for part in parts if str(part).strip())


def _pairs(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError("a mapping of names to values")
    return {str(name): str(text) for name, text in value.items()}


def _port(text: Any) -> int:
    port = _integer(text)
    if not 0 <= port <= 65535:
        raise ValueError("a port from 0 to 65535")
    return port


def _positive(text: Any) -> float:
    number = float(text)
    if not number > 0:
        raise ValueError("a number above 0")
    return number


def _glyphs(text: Any) -> str:
    if text not in GLYPHS:
        raise ValueError(text)
    return str(text)


GLYPHS = ("auto", "unicode", "ascii")
_PATTERN: dict[Callable[[Any], Any], str] = {
    _integer: "a whole number",
    _boolean: "true or false",
    _port: "a port from 0 to 65535",
    _positive: "a number above 0",
    _pairs: "a mapping of names to values",
    _glyphs: f"one of {', '.join(GLYPHS)}",
    server.read: "a list; each with name, url and perhaps key_file, no name twice",
}


class Setting(NamedTuple):
    """One setting. `secret` values are never shown; `client`: app and command line read it, no daemon does."""

    name: str
    default: Any
    doc: str
    read: Callable[[Any], Any] = str
    secret: bool = False
    client: bool = False

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


TABLE: tuple[Setting, ...] = (
    Setting("host", "127.0.0.1", "address on which the gateway listens"),
    Setting("port", 8080, "port on which the gateway listens", _port),
    Setting("inference_port", 8000, "port of the first engine; the next ones count upward", _port),
    Setting("tls_cert", "", "PEM file with the certificate and its chain: the gateway speaks TLS; taken again when it changes"),
    Setting("tls_key", "", "PEM file with its key, without a password; empty: it is in tls_cert"),
    Setting("api_key", "", "a key with every scope, in addition to those in the database", secret=True),
    Setting("data_dir", "", "state directory: database, sockets, logs, records", client=True),
    Setting("db_path", "", "database file; empty: controller.db in the state directory"),
    Setting("models_dir", "/models", "folder with model files"),
    Setting("runtime_bin", "", "folder in which engines' programs are looked for before PATH"),
    Setting("sglang_python", "", "interpreter of the SGLang installation"),
    Setting("tabby_api_dir", "", "folder of the TabbyAPI checkout"),
    Setting("container_runtime", "", "program that runs images; empty: docker or podman on PATH"),
    Setting("url", "", "address of a remote Studio that app and command line drive, or the name of a server", client=True),
    Setting("servers", (), "other Studios, each with name, url and key_file; the app switches between them", server.read,
            client=True),
    Setting("read_only", False, "the app only looks: what changes something does not exist in it", _boolean, client=True),
    Setting("silence_s", 6.0, "seconds without a sign of life after which the app says that Studio does not answer", _positive,
            client=True),
    Setting("notify", True, "bell, notice and title when a load ends while the terminal is not looked at", _boolean, client=True),
    Setting("mouse", True, "the app takes the mouse; off, the terminal keeps it for selecting text", _boolean, client=True),
    Setting("glyphs", "auto", "signs of the app: unicode, ascii, or auto by locale and terminal", _glyphs, client=True),
    Setting("usage_dsn", "", "Postgres with LiteLLM's spend logs, read for /usage"),
    Setting("redis_url", "", "Redis that mirrors events"),
    Setting("exclusive", True, "one model at a time: a launch stops what runs", _boolean),
    Setting("remote_admin", False, "admin keys may change recipes, servers and keys over TCP", _boolean),
    Setting("allowed_hosts", (), "Host names accepted from anonymous callers beside loopback", _words),
    Setting("allowed_origins", (), "browser origins that may call the API", _words),
    Setting("engine_env", {}, "environment that every engine gets", _pairs),
    Setting("grace_s", 30.0, "seconds an engine gets to stop before it is killed", _positive),
    Setting("drain_s", 300.0, "seconds requests in flight get before an eviction is given up", _positive),
    Setting("no_progress_s", 600.0, "seconds without progress after which a start has failed", _positive),
    Setting("start_ceiling_s", 3600.0, "seconds after which a start has failed in any case", _positive),
    Setting("memory_wait_s", 60.0, "seconds to wait for the memory of a stopped engine to come back", _positive),
    Setting("restart_pause_s", 1.0, "seconds before a crashed engine's first restart; doubled each time, up to 60 times",
            _positive),
    Setting("restart_reset_s", 600.0, "seconds of service after which an engine's earlier crashes are forgotten", _positive),
    Setting("abandon_s", 30.0, "seconds a load that requests asked for goes on when none waits for it any more", _positive),
    Setting("queue_limit", 512, "requests that may wait for a model", _integer),
    Setting("body_limit", 64 * 1024 * 1024, "largest request body in bytes", _integer),
    Setting("ping_s", 15.0, "seconds between comment pings on a silent stream", _positive),
    Setting("hold_headers_s", 10.0, "seconds a waiting stream's headers are held back", _positive),
    Setting("head_s", 10.0, "seconds a client may take for the head of a request", _positive),
    Setting("body_s", 30.0, "seconds a request's body may stall, or be slower than 1 KiB/s over all", _positive),
    Setting("idle_s", 75.0, "seconds a client's connection is kept without a request", _positive),
    Setting("stall_s", 90.0, "seconds after which a client is cut that takes nothing of its answer or is gone without a word",
            _positive),
    Setting("log_head_bytes", 1024 * 1024, "bytes kept of the beginning of each engine log", _integer),
    Setting("log_segment_bytes", 8 * 1024 * 1024, "size of one segment of an engine log", _integer),
    Setting("log_segments", 6, "segments kept beside the beginning", _integer),
    Setting("log_total_bytes", 2 * 1024 * 1024 * 1024, "bytes that all engine logs together may take", _integer),
    Setting("sample_s", 1.0, "seconds between two samples of GPUs and host while somebody looks", _positive),
)
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in TABLE}


class Settings(NamedTuple):
    """The effective values by attribute, and the origin of each in `origins`.

    An origin is `command line`, `environment VLLM_STUDIO_X`, the path of a YAML file, or `default`.
    """

    values: Mapping[str, Any]
    origins: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def state_dir(self) -> Path:
        return Path(self.values["data_dir"]).expanduser() if self.values["data_dir"] else default_state_dir()

    @property
    def database(self) -> Path:
        path = self.values["db_path"]
        return Path(path).expanduser() if path else self.state_dir / "controller.db"


def load(overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read all sources. `overrides` are the command line's.

    Raises:
        BadSetting: a name that does not exist or a value that cannot be read; says which source holds it.
    """
    environ = os.environ if environ is None else environ
    values = {setting.name: setting.default for setting in TABLE}
    origins = dict.fromkeys(values, "default")

    def take(source: Mapping[str, Any], origin: Callable[[Setting], str]) -> None:
        for name, raw in source.items():
            setting = find(name, origin(TABLE[0]))
            values[name], origins[name] = read(setting, raw, origin(setting)), origin(setting)

    take(_yaml(shipped("config") / "studio.yaml"), lambda _: "config/studio.yaml")
    above = {s.name: environ[s.variable] for s in TABLE if environ.get(s.variable)}
    state = {**above, **(overrides or {})}.get("data_dir") or default_state_dir(environ)
    user = Path(state).expanduser() / "studio.yaml"
    take(_yaml(user), lambda _: str(user))
    take(above, lambda setting: f"environment {setting.variable}")
    take(overrides or {}, lambda _: "command line")
    found = Settings(values, origins)
    wanted = server.named(found, found.url)
    return server.aimed(found, wanted) if wanted else found


def find(name: Any, where: str) -> Setting:
    """The setting of that name. Raises BadSetting, with the nearest name."""
    if name not in BY_NAME:
        from difflib import get_close_matches

        near = get_close_matches(str(name), BY_NAME, n=1)
        hint = f"did you mean {near[0]}?" if near else "see the table of settings in the README"
        raise BadSetting(f"unknown setting {name!r}", f"in {where}", hint)
    return BY_NAME[name]


def read(setting: Setting, raw: Any, where: str) -> Any:
    """A value as the setting wants it. Raises BadSetting."""
    try:
        return setting.read(raw)
    except (ValueError, TypeError) as error:
        shown = "" if setting.secret else f" {raw!r}"
        want = _PATTERN.get(setting.read, str(error))
        raise BadSetting(f"bad value{shown} for {setting.name}", f"in {where}", f"give {want}") from error


def kind(setting: Setting) -> str:
    """What its values are, in words; empty for any text."""
    return _PATTERN.get(setting.read, "words with commas between them" if setting.read is _words else "")


def stored(path: Path) -> Mapping[str, Any]:
    """What a `studio.yaml` says, as it is written there. Raises BadSetting."""
    return _yaml(path)


def _yaml(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        # Of somebody else's state directory more is to be said than that this file cannot be read.
        Places(path.parent).check_owner()
        raise BadSetting(f"cannot read {path}", str(error), "check that it is a text file you may read") from error
    if not _has_content(text):
        return {}
    import yaml

    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise BadSetting(f"broken YAML in {path}", yaml_problem(error), "correct that line") from error
    if not isinstance(data, dict):
        raise BadSetting(f"{path} is not a mapping", f"it holds a {type(data).__name__}", "write lines like `port: 8080`")
    return data


def _has_content(text: str) -> bool:
    """Whether a line is neither blank nor a comment; spares the YAML import in the common case."""
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())
