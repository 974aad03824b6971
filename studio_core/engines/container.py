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
from studio_core.recipes.recipe import Recipe, Runtime
from studio_core.settings import Settings

# Where the engine listens inside: the published port leads there from loopback only.
HOST = "0.0.0.0"
LABEL, ENV_FILE, CID_FILE = "studio.instance", "container.env", "cid"
RUNTIMES = ("docker", "podman")
# Shared memory of its own goes away with it; what workers leave on the host's would stay. A limit, not a reservation.
SHARED = "16g"
# Engine → the program in its image; None: the image's own entry point is the server (llama.cpp's is not on PATH).
ENTRY: Mapping[str, str | None] = {"vllm": "vllm", "sglang": "python3", "llamacpp": None, "tabbyapi": "python3"}
# Engine → its makers' image, for a machine with NVIDIA's GPUs, with AMD's, and with none.
IMAGES: Mapping[str, tuple[str, str, str]] = {
    "vllm": ("vllm/vllm-openai:latest", "rocm/vllm:latest", "vllm/vllm-openai:latest"),
    "sglang": ("lmsysorg/sglang:latest", "lmsysorg/sglang:latest", "lmsysorg/sglang:latest"),
    "llamacpp": ("ghcr.io/ggml-org/llama.cpp:server-cuda", "ghcr.io/ggml-org/llama.cpp:server-rocm",
                 "ghcr.io/ggml-org/llama.cpp:server"),
    "tabbyapi": ("ghcr.io/theroyallab/tabbyapi:latest",) * 3,
}
# What engines compile at a start is kept for the next one, in a volume of the recipe's own; the recipe's own words win.
WARM_PLACE = "/var/cache/studio"
WARM: Mapping[str, str] = {
    "XDG_CACHE_HOME": WARM_PLACE, "VLLM_CACHE_ROOT": f"{WARM_PLACE}/vllm", "TRITON_CACHE_DIR": f"{WARM_PLACE}/triton",
    "CUDA_CACHE_PATH": f"{WARM_PLACE}/cuda", "TORCH_EXTENSIONS_DIR": f"{WARM_PLACE}/torch",
}
COMPILING = frozenset({"vllm", "sglang", "tabbyapi"})
# Given unless the recipe says other values: memory that is pinned for GPUs, and the stacks of many threads.
ULIMITS = ("memlock=-1", "stack=67108864")
# Options of `run` that Studio sets itself, and what to use instead.
OWNED: Mapping[str, str] = {
    **dict.fromkeys(("--name", "--label", "-l", "--cidfile", "--label-file"), "Studio follows its containers by these"),
    **dict.fromkeys(("--detach", "-d", "--rm", "--restart", "--replace", "--interactive", "-i", "--tty", "-t", "-it"),
                    "a container lives and ends as its instance; use the recipe's field restart"),
    **dict.fromkeys(("--publish", "-p", "--publish-all", "-P", "--network", "--net"), "its port is published on loopback"),
    **dict.fromkeys(("--env", "-e", "--env-file"), "use the recipe's field env_vars"),
    **dict.fromkeys(("--volume", "-v"), "use runtime.volumes"), "--shm-size": "use runtime.shm_size", "--ipc": "use runtime.ipc",
    "--ulimit": "use runtime.ulimits", "--gpus": "use the recipe's field gpus", "--entrypoint": "use extra_args.docker_entrypoint",
    **dict.fromkeys(("--workdir", "-w"), "Studio sets it where the engine needs it"),
}
# Engines that find their configuration in the folder in which they are started.
WORKS_IN_FOLDER = frozenset({"tabbyapi"})
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
    official = IMAGES.get(recipe.backend, ("", "", ""))[0 if machine.count() else 1 if machine.rocm() else 2]
    return str(named or recipe.extra_args.get("docker_image") or official)


def problems(recipe: Recipe, engine: str, settings: Settings) -> Iterator[Problem]:
    """What stands in the way of a container, known without asking the daemon."""
    if engine not in ENTRY:
        yield Problem("runtime", f"{engine} is not run from an image here", f"images are for {', '.join(ENTRY)}")
    for word in recipe.runtime.args if recipe.runtime is not None else ():
        name = word.partition("=")[0]
        if name in OWNED:
            yield Problem("runtime.args", f"Studio sets {name} itself", OWNED[name])
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
    warm = engine in COMPILING
    inside = {**(WARM if warm else {}), **_inside(environment), **_cache(recipe)}
    entry = str(recipe.extra_args.get("docker_entrypoint") or ENTRY.get(engine) or "")
    words = [*_options(recipe, hull), *_mounts(recipe, command, hull, inside)]
    if warm:
        words += ["--mount", f"type=volume,source=studio-cache-{recipe.id},target={WARM_PLACE}"]
    if entry:
        words += ["--entrypoint", entry]
    if engine in WORKS_IN_FOLDER:
        words += ["--workdir", str(hull.folder)]
    argv = (hull.program, "run", *words, image(recipe), *command.argv[1:])
    files = {**command.files, ENV_FILE: _env_file(inside)}
    client = {name: text for name, text in environment.items() if text[1] == "inherited"}
    client |= {name: (os.environ[name], "inherited") for name in CLIENT if name in os.environ}
    # Its mark is the client's: the container's own processes are the runtime's to end.
    client |= {name: text for name, text in environment.items() if name == "STUDIO_INSTANCE"}
    return Command(argv, {}, str(hull.folder), files, command.origin), client


def stop_command(hull: Hull) -> list[str]:
    """The runtime's stop: SIGTERM, then SIGKILL after the grace in whole seconds, which the shim fills in."""
    return [hull.program, "stop", "-t", "{grace}", hull.name]


def _options(recipe: Recipe, hull: Hull) -> list[str]:
    publish = f"127.0.0.1:{hull.port}:{hull.port}"
    words = ["--name", hull.name, "--label", f"{LABEL}={hull.instance}", "--cidfile", str(hull.folder / CID_FILE),
             "--env-file", str(hull.folder / ENV_FILE), "--publish", publish]
    podman = Path(hull.program).name.startswith("podman")
    return [*words, *_asked(recipe.runtime), *([] if podman else ["--init"]), *_gpus(recipe, podman)]


def _asked(wanted: Runtime | None) -> list[str]:
    """Shared memory, limits, volumes and further options, the recipe's before ours."""
    given = wanted or Runtime(kind="docker")
    shared = given.shm_size or (None if given.ipc else SHARED)
    words = ["--shm-size", shared] if shared else []
    words += ["--ipc", given.ipc] if given.ipc else []
    told = {one.partition("=")[0] for one in given.ulimits}
    limits = [*(one for one in ULIMITS if one.partition("=")[0] not in told), *given.ulimits]
    words += [word for one in limits for word in ("--ulimit", one)]
    words += [word for one in given.volumes for word in ("--volume", _volume(one))]
    return [*words, *given.args]


def _volume(text: str) -> str:
    """`~` is this user's home; a name without a slash is a volume of the runtime's."""
    source, _, rest = text.partition(":")
    return f"{Path(source).expanduser()}:{rest}" if source.startswith("~") else text


def _gpus(recipe: Recipe, podman: bool) -> list[str]:
    if machine.rocm():
        # Which of them it sees is a variable's matter.
        devices = [word for one in (machine.KFD, machine.DRI) for word in ("--device", str(one))]
        return [*devices, *(word for one in (["keep-groups"] if podman else machine.groups()) for word in ("--group-add", one))]
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


def _mounts(recipe: Recipe, command: Command, hull: Hull, inside: Mapping[str, str]) -> list[str]:
    """Every path that the command names, and the model, read-only at the same place; its own files; the cache, writable."""
    words = [*command.argv[1:], *(str(Path(one).expanduser()) for one in _read(recipe))]
    named = {Path(part) for word in words for cut in ("", "=", ":") for part in _parts(word, cut) if part.startswith("/")}
    places = {place for path in named if path.exists() and hull.folder not in path.parents for place in _whole(path)}
    places = {one for one in places if not any(other in one.parents for other in places)}
    own = {hull.folder / name for name in command.files}
    words = [word for path in sorted(places | own) for word in ("--mount", _mount(path, ",readonly"))]
    if (cache := inside.get("HF_HOME")) and not any(Path(cache) == one or one in Path(cache).parents for one in places):
        Path(cache).mkdir(parents=True, exist_ok=True)
        words += ["--mount", _mount(Path(cache), "")]
    return words


def _read(recipe: Recipe) -> list[str]:
    """What the engine reads, also where a file of its own says so and not its command."""
    return [one for one in (recipe.model_path, *(each.path for each in recipe.lora_adapters)) if is_local(one)]


def _parts(word: str, cut: str) -> tuple[str, ...]:
    """The paths of a word: all of it, behind `name=`, or a list with scales (`/a:0.5,/b:1`)."""
    if cut == ":":
        return tuple(part.partition(":")[0] for part in word.split(","))
    return (word.partition(cut)[2],) if cut else (word,)


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
