"""An engine in a container: its command, wrapped into the runtime's `run`, in the foreground as any other first process.

Docker's own options; podman takes the same ones but for GPUs. Built from the reference of Docker 28 and proven against its
command line's parser and a scripted daemon only: unproven until it ran on a real one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from studio_core.engines import machine
from studio_core.engines.engine import Command
from studio_core.engines.folder import is_local
from studio_core.engines.problem import Problem
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

# Where the engine listens inside: the published port leads there from loopback only.
HOST = "0.0.0.0"
LABEL, ENV_FILE, CID_FILE = "studio.instance", "container.env", "cid"
RUNTIMES = ("docker", "podman")
# Shared memory of its own goes away with it; what workers leave on the host's would stay. A limit, not a reservation.
SHARED = "16g"
# Engine → the program in its image; None: the image's own entry point is the server (llama.cpp's is not on PATH).
ENTRY: Mapping[str, str | None] = {"vllm": "vllm", "sglang": "python3", "llamacpp": None}
# What the runtime's own client needs of our environment to find its daemon, its contexts and its credentials.
CLIENT = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "CONTAINER_HOST",
          "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
# Of what engines inherit these mean something inside.
INHERITED = frozenset({"HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
                       "https_proxy", "no_proxy", "TZ"})
Environment = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Hull:
    """What a container is made for: its instance, port and folder, and the runtime's program."""

    instance: str
    port: int
    folder: Path
    program: str

    @property
    def name(self) -> str:
        return f"studio-{self.instance}"


def program(settings: Settings) -> str:
    """The runtime's program: the setting's, else the first of RUNTIMES on PATH. Raises BadRecipe."""
    wanted = settings.container_runtime
    for name in (wanted,) if wanted else RUNTIMES:
        found = shutil.which(str(Path(name).expanduser()))
        if found is not None:
            return str(Path(found).absolute())
    named = f"the setting container_runtime names {wanted}" if wanted else "neither docker nor podman is on PATH"
    raise BadRecipe("no container runtime was found", named, "install one, or name it in the setting container_runtime")


def image(recipe: Recipe) -> str:
    named = recipe.runtime.ref if recipe.runtime is not None and recipe.runtime.kind == "docker" else ""
    return str(named or recipe.extra_args.get("docker_image") or "")


def problems(recipe: Recipe, engine: str, settings: Settings) -> Iterator[Problem]:
    """What stands in the way of a container, known without asking the daemon."""
    if engine not in ENTRY:
        yield Problem("runtime", f"{engine} is not run from an image here", f"images are for {', '.join(ENTRY)}")
    if not image(recipe) or image(recipe).startswith("-"):
        yield Problem("runtime.ref", "the runtime names no image", "write runtime: {kind: docker, ref: IMAGE}")
    try:
        program(settings)
    except BadRecipe as error:
        yield Problem("runtime", str(error), error.hint)
    if len(recipe.nodes) > 1:
        yield Problem("nodes", "a container of Studio's runs on one machine", "remove nodes, or the image")
    if is_local(recipe.model_path) and not Path(recipe.model_path).expanduser().exists():
        yield Problem("model_path", f"{recipe.model_path} is not there", "correct model_path; it is mounted into the container")


def wrap(recipe: Recipe, engine: str, command: Command, environment: Environment, hull: Hull) -> tuple[Command, Environment]:
    """The runtime's command for an engine's, and the environment of the runtime's client.

    The engine's own environment, its key with it, goes through a file (0600): a command line is everybody's to read.

    Raises:
        BadRecipe: a value that such a file, or a path that a mount cannot express.
    """
    inside = {**_inside(environment), **_cache(recipe)}
    entry = str(recipe.extra_args.get("docker_entrypoint") or ENTRY.get(engine) or "")
    words = [*_options(recipe, hull), *_mounts(command, hull, inside)]
    if entry:
        words += ["--entrypoint", entry]
    argv = (hull.program, "run", *words, image(recipe), *command.argv[1:])
    files = {**command.files, ENV_FILE: _env_file(inside)}
    client = {name: text for name, text in environment.items() if text[1] == "inherited"}
    client |= {name: (os.environ[name], "inherited") for name in CLIENT if name in os.environ}
    # Its mark is the client's: the container's own processes are the runtime's to end.
    client |= {name: text for name, text in environment.items() if name == "STUDIO_INSTANCE"}
    return Command(argv, {}, str(hull.folder), files), client


def stop_command(hull: Hull) -> list[str]:
    """The runtime's stop: SIGTERM, then SIGKILL after the grace in whole seconds, which the shim fills in."""
    return [hull.program, "stop", "-t", "{grace}", hull.name]


def _options(recipe: Recipe, hull: Hull) -> list[str]:
    publish = f"127.0.0.1:{hull.port}:{hull.port}"
    words = ["--name", hull.name, "--label", f"{LABEL}={hull.instance}", "--cidfile", str(hull.folder / CID_FILE),
             "--env-file", str(hull.folder / ENV_FILE), "--publish", publish, "--shm-size", SHARED,
             "--ulimit", "memlock=-1", "--ulimit", "stack=67108864"]
    podman = Path(hull.program).name.startswith("podman")
    return [*words, *([] if podman else ["--init"]), *_gpus(recipe, podman)]


def _gpus(recipe: Recipe, podman: bool) -> list[str]:
    if recipe.gpus is None and not machine.count():
        return []
    if podman:
        named = ["all"] if recipe.gpus is None else recipe.gpus
        return [word for one in named for word in ("--device", f"nvidia.com/gpu={one}")]
    if recipe.gpus is None:
        return ["--gpus", "all"]
    # The value is read as CSV: several devices in one field need its quotes.
    return ["--gpus", f'"device={",".join(recipe.gpus)}"'] if recipe.gpus else []


def _inside(environment: Environment) -> dict[str, str]:
    """What the engine gets: all that was meant for it, and little of what we inherited. Devices are the runtime's matter."""
    kept = {name: text for name, (text, origin) in environment.items() if origin != "inherited" or name in INHERITED}
    return {name: text for name, text in kept.items() if name not in ("CUDA_VISIBLE_DEVICES", "STUDIO_INSTANCE", "XDG_CONFIG_HOME")}


def _cache(recipe: Recipe) -> dict[str, str]:
    """Hugging Face's cache of this user, at the same path inside."""
    home = os.environ.get("HF_HOME") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface")
    wanted = not is_local(recipe.model_path) or Path(home).is_dir()
    return {"HF_HOME": str(Path(home).expanduser().absolute())} if wanted else {}


def _mounts(command: Command, hull: Hull, inside: Mapping[str, str]) -> list[str]:
    """Every path that the command names, read-only at the same place; its own files; the cache, writable."""
    named = {Path(part) for word in command.argv[1:] for part in (word, word.partition("=")[2]) if part.startswith("/")}
    places = {place for path in named if path.exists() and hull.folder not in path.parents for place in _whole(path)}
    places = {one for one in places if not any(other in one.parents for other in places)}
    own = {hull.folder / name for name in command.files}
    words = [word for path in sorted(places | own) for word in ("--mount", _mount(path, ",readonly"))]
    if (cache := inside.get("HF_HOME")) and not any(Path(cache) == one or one in Path(cache).parents for one in places):
        Path(cache).mkdir(parents=True, exist_ok=True)
        words += ["--mount", _mount(Path(cache), "")]
    return words


def _whole(path: Path) -> Iterator[Path]:
    """A file's folder has its other parts; a snapshot of the hub's cache is links into the folder above."""
    folder = path.parent if path.suffix == ".gguf" else path
    yield folder.parents[1] if folder.parent.name == "snapshots" and (folder.parents[1] / "blobs").is_dir() else folder


def _mount(path: Path, mode: str) -> str:
    if "," in str(path) or '"' in str(path):
        raise BadRecipe(f"{path} cannot be mounted", "its name has a comma or a quotation mark", "rename it, or link to it")
    return f"type=bind,source={path},target={path}{mode}"


def _env_file(inside: Mapping[str, str]) -> str:
    for name, text in inside.items():
        if "\n" in text or "\r" in text or "=" in name:
            raise BadRecipe(f"the variable {name} cannot go into a container", "its value has a line break", "remove it")
    return "".join(f"{name}={text}\n" for name, text in sorted(inside.items()))
