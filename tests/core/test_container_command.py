"""What is run for an engine in a container, word by word; and that Docker's own client takes every word."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from studio_core.engines import container, machine
from studio_core.engines.container import Hull
from studio_core.engines.engine import Bench
from studio_core.engines.registry import find
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe, parse
from studio_core.settings import Settings, load
from studio_core.supervisor import dock
from studio_core.supervisor.assembly import furnished

UUIDS = ["GPU-11111111-2222-3333-4444-555555555555", "GPU-66666666-7777-8888-9999-000000000000"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A runtime named docker that is never run; no cache, no GPU, nothing inherited."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(machine, "count", lambda: 0)
    for name in ("DOCKER_HOST", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("docker", "podman"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    return load({"data_dir": str(tmp_path), "container_runtime": str(tmp_path / "docker")}, environ={})


def recipe(backend: str, model: str, **fields: Any) -> Recipe:
    image = {"kind": "docker", "ref": "image:1"}
    return parse({"id": "r", "backend": backend, "model_path": model, "runtime": image, **fields})


def asking(backend: str, model: str = "a/b", **wanted: Any) -> Recipe:
    """With what is asked of the runtime."""
    return recipe(backend, model, runtime={"kind": "docker", "ref": "image:1", **wanted})


def build(one: Recipe, settings: Settings, folder: Path, program: str = "docker") -> tuple[list[str], dict[str, str], str]:
    """The command line with the places shortened, the client's environment, and the container's."""
    hull = Hull("r-1", 8000, folder, str(folder / program))
    command, environment = furnished(one, find(one.backend), Bench(container.HOST, 8000, "KEY", folder, settings), "r-1", hull)
    words = [word.replace(str(folder), "/F") for word in command.argv]
    return words, {name: text for name, (text, _) in environment.items()}, command.files["container.env"]


HEAD = ["/F/docker", "run", "--name", "studio-r-1", "--label", "studio.instance=r-1", "--cidfile", "/F/cid", "--env-file",
        "/F/container.env", "--publish", "127.0.0.1:8000:8000", "--shm-size", "16g", "--ulimit", "memlock=-1", "--ulimit",
        "stack=67108864"]


def test_vllm_with_two_gpus_and_a_model_of_the_hub(settings: Settings, tmp_path: Path) -> None:
    """The entry point is named: images differ in how much of `vllm serve` theirs already has."""
    words, client, inside = build(recipe("vllm", "Qwen/Qwen3-8B", tp=2, gpus=UUIDS), settings, tmp_path)
    at = words.index("image:1")
    assert words[:at] == [
        *HEAD, "--init", "--gpus", f'"device={UUIDS[0]},{UUIDS[1]}"', "--mount", "type=bind,source=/F/hub,target=/F/hub",
        "--mount", "type=volume,source=studio-cache-r,target=/var/cache/studio", "--entrypoint", "vllm",
    ]
    assert words[at:at + 7] == ["image:1", "serve", "Qwen/Qwen3-8B", "--host", "0.0.0.0", "--port", "8000"]
    assert f"HF_HOME={tmp_path}/hub\n" in inside and "VLLM_API_KEY=KEY\n" in inside
    assert "CUDA_VISIBLE_DEVICES" not in inside and "\nPATH=" not in f"\n{inside}" and "STUDIO_INSTANCE" not in inside
    assert "KEY" not in client.values() and client["STUDIO_INSTANCE"] == "r-1" and "PATH" in client
    assert not any("KEY" in word for word in words)


def test_sglang_with_its_configuration_file(settings: Settings, tmp_path: Path) -> None:
    words, _, _ = build(recipe("sglang", "Qwen/Qwen3-8B"), settings, tmp_path)
    at = words.index("image:1")
    assert words[at - 2:at + 6] == [
        "--entrypoint", "python3", "image:1", "-m", "sglang.launch_server", "--model-path", "Qwen/Qwen3-8B", "--config",
    ]
    assert "type=bind,source=/F/sglang.yaml,target=/F/sglang.yaml,readonly" in words


def test_llama_cpp_by_the_image_s_own_entry_point(settings: Settings, tmp_path: Path) -> None:
    """Its other parts lie beside the file: the folder is mounted, read-only, where it is."""
    model, folder = tmp_path / "models" / "a.gguf", tmp_path / "instance"
    for each in (model.parent, folder):
        each.mkdir()
    model.write_bytes(b"GGUF")
    words, _, inside = build(recipe("llamacpp", str(model)), settings, folder)
    at = words.index("image:1")
    mount = f"type=bind,source={model.parent},target={model.parent},readonly"
    assert words[:at] == [*HEAD, "--init", "--mount", mount]
    assert words[at + 1:at + 3] == ["--model", str(model)] and "LLAMA_API_KEY=KEY\n" in inside
    assert "XDG_CONFIG_HOME" not in inside


def test_a_snapshot_of_the_hub_s_cache_is_mounted_with_what_it_links_to(settings: Settings, tmp_path: Path) -> None:
    repo = tmp_path / "elsewhere" / "models--a--b"
    snapshot = repo / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repo / "blobs").mkdir()
    (snapshot / "config.json").write_text("{}")
    hull_folder = tmp_path / "instance"
    hull_folder.mkdir()
    one = recipe("vllm", str(snapshot))
    hull = Hull("r-1", 8000, hull_folder, str(tmp_path / "docker"))
    command, _ = furnished(one, find("vllm"), Bench(container.HOST, 8000, "KEY", hull_folder, settings), "r-1", hull)
    assert f"type=bind,source={repo},target={repo},readonly" in command.argv


def test_what_is_compiled_is_kept_in_a_volume_of_the_recipe_s_own(settings: Settings, tmp_path: Path) -> None:
    one = recipe("sglang", "a/b", env_vars={"TRITON_CACHE_DIR": "/mine"})
    words, _, inside = build(one, settings, tmp_path)
    assert words[words.index("type=volume,source=studio-cache-r,target=/var/cache/studio") - 1] == "--mount"
    assert {line for line in inside.splitlines() if "CACHE" in line or "EXTENSIONS" in line} == {
        "XDG_CACHE_HOME=/var/cache/studio", "VLLM_CACHE_ROOT=/var/cache/studio/vllm", "TRITON_CACHE_DIR=/mine",
        "CUDA_CACHE_PATH=/var/cache/studio/cuda", "TORCH_EXTENSIONS_DIR=/var/cache/studio/torch",
    }


@pytest.mark.parametrize(("program", "groups"), [
    ("docker", ["--group-add", "44"]), ("podman", ["--group-add", "keep-groups"]),
])
def test_amd_s_gpus_are_reached_by_their_devices(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, groups: list[str]
) -> None:
    for name in ("kfd", "dri"):
        place = tmp_path / name
        place.touch()
        monkeypatch.setattr(machine, name.upper(), place)
    monkeypatch.setattr(machine, "groups", lambda: ["44"])
    one = recipe("vllm", "a/b", gpus=["1"], runtime={"kind": "docker"})
    words, _, inside = build(one, settings, tmp_path, program)
    at = words.index("--device")
    assert words[at:at + 6] == ["--device", "/F/kfd", "--device", "/F/dri", *groups]
    assert "--gpus" not in words and "rocm/vllm:latest" in words
    assert "HIP_VISIBLE_DEVICES=1\n" in inside and "CUDA_VISIBLE_DEVICES" not in inside


def test_podman_names_gpus_in_its_own_way(settings: Settings, tmp_path: Path) -> None:
    words, _, _ = build(recipe("vllm", "a/b", gpus=UUIDS[:1]), settings, tmp_path, "podman")
    assert "--gpus" not in words and "--init" not in words
    assert words[words.index("--device") + 1] == f"nvidia.com/gpu={UUIDS[0]}"


def test_the_entry_point_of_the_recipe_wins(settings: Settings, tmp_path: Path) -> None:
    one = recipe("vllm", "a/b", extra_args={"docker_entrypoint": "/opt/vllm"})
    words, _, _ = build(one, settings, tmp_path)
    assert words[words.index("--entrypoint") + 1] == "/opt/vllm" and "--docker-entrypoint" not in words


def test_what_the_recipe_asks_of_the_runtime(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    one = asking("vllm", volumes=["~/c:/c:ro", "named:/n"], shm_size="32g", ipc="host", ulimits=["memlock=1:2", "nofile=9"],
                 args=["--privileged", "--cap-add", "SYS_PTRACE"])
    words, _, _ = build(one, settings, tmp_path)
    at = words.index("--shm-size")
    assert words[at:words.index("--init")] == [
        "--shm-size", "32g", "--ipc", "host", "--ulimit", "stack=67108864", "--ulimit", "memlock=1:2", "--ulimit", "nofile=9",
        "--volume", "/home/x/c:/c:ro", "--volume", "named:/n", "--privileged", "--cap-add", "SYS_PTRACE",
    ]


def test_the_host_s_shared_memory_needs_no_size_of_its_own(settings: Settings, tmp_path: Path) -> None:
    words, _, _ = build(asking("vllm", ipc="host"), settings, tmp_path)
    assert "--shm-size" not in words and words[words.index("--ipc") + 1] == "host"


@pytest.mark.parametrize(("backend", "gpus", "name"), [
    ("vllm", "cuda", "vllm/vllm-openai:latest"), ("vllm", "rocm", "rocm/vllm:latest"), ("vllm", "", "vllm/vllm-openai:latest"),
    ("sglang", "cuda", "lmsysorg/sglang:latest"), ("llamacpp", "cuda", "ghcr.io/ggml-org/llama.cpp:server-cuda"),
    ("llamacpp", "rocm", "ghcr.io/ggml-org/llama.cpp:server-rocm"), ("llamacpp", "", "ghcr.io/ggml-org/llama.cpp:server"),
    ("tabbyapi", "cuda", "ghcr.io/theroyallab/tabbyapi:latest"), ("llama.cpp", "", "ghcr.io/ggml-org/llama.cpp:server"),
])
def test_without_a_name_it_is_the_makers_image(monkeypatch: pytest.MonkeyPatch, backend: str, gpus: str, name: str) -> None:
    monkeypatch.setattr(machine, "count", lambda: int(gpus == "cuda"))
    monkeypatch.setattr(machine, "rocm", lambda: gpus == "rocm")
    assert container.image(recipe(backend, "a/b", runtime={"kind": "docker"})) == name


def test_tabby_works_in_the_folder_of_its_files_and_sees_its_model(settings: Settings, tmp_path: Path) -> None:
    model, folder = tmp_path / "models" / "m", tmp_path / "instance"
    for each in (model, folder):
        each.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    one = recipe("tabbyapi", str(model))
    assert [each for each in find("tabbyapi").problems(one, settings) if each.severe] == []
    words, _, _ = build(one, settings, folder)
    at = words.index("image:1")
    assert words[at - 4:] == ["--entrypoint", "python3", "--workdir", "/F", "image:1", "/app/main.py"]
    mounts = [word for word in words if word.startswith("type=bind")]
    assert f"type=bind,source={model},target={model},readonly" in mounts
    assert "type=bind,source=/F/config.yml,target=/F/config.yml,readonly" in mounts


def test_adapters_are_mounted_too(settings: Settings, tmp_path: Path) -> None:
    model, poet, folder = tmp_path / "models" / "m.gguf", tmp_path / "lora" / "poet.gguf", tmp_path / "instance"
    for each in (model, poet):
        each.parent.mkdir()
        each.write_bytes(b"GGUF")
    folder.mkdir()
    one = recipe("llamacpp", str(model), lora_adapters=[{"name": "poet", "path": str(poet), "scale": 0.5}])
    words, _, _ = build(one, settings, folder)
    assert f"type=bind,source={poet.parent},target={poet.parent},readonly" in words
    assert words[words.index("--lora-scaled") + 1] == f"{poet}:0.5"


@pytest.mark.parametrize("wanted", [
    {"volumes": ["relative"]}, {"volumes": ["/a"]}, {"shm_size": "much"}, {"ulimits": ["memlock"]}, {"ipc": "a b"},
])
def test_what_a_runtime_cannot_be_asked(wanted: dict[str, Any]) -> None:
    with pytest.raises(BadRecipe, match="runtime"):
        asking("vllm", **wanted)
    with pytest.raises(BadRecipe, match="belong to an image"):
        recipe("vllm", "a/b", runtime={"kind": "system", "ref": "/p", "ipc": "host"})


def test_what_the_files_of_a_container_cannot_say(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadRecipe, match="variable X cannot"):
        build(recipe("vllm", "a/b", env_vars={"X": "1\n2"}), settings, tmp_path)
    model = tmp_path / "a,b"
    model.mkdir()
    with pytest.raises(BadRecipe, match="cannot be mounted"):
        build(recipe("vllm", str(model)), settings, tmp_path / "F")


# What is wrong → the field that is named.
PROBLEMS: dict[str, tuple[Recipe, str]] = {
    "no image": (parse({"id": "r", "backend": "vllm", "model_path": "a/b", "runtime": {"kind": "docker"}}), ""),
    "an option that is Studio's": (asking("vllm", args=["--network=host"]), "runtime.args"),
    "an option for an image": (recipe("vllm", "a/b").model_copy(update={"extra_args": {"docker_image": "x"}}), ""),
    "TabbyAPI": (recipe("tabbyapi", "/m"), "model_path"),
    "no such folder": (recipe("vllm", "/not/there"), "model_path"),
    "several machines": (recipe("vllm", "a/b", nodes=["a", "b"]), "nodes"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_stands_in_the_way_is_said_before_the_start(settings: Settings, name: str) -> None:
    one, field = PROBLEMS[name]
    fields = [problem.field for problem in find(one.backend).problems(one, settings) if problem.severe]
    assert fields[:1] == ([field] if field else [])


def test_a_machine_without_a_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadRecipe, match="no container runtime"):
        container.program(load({}, environ={}))
    (tmp_path / "podman").write_text("#!/bin/sh\n")
    (tmp_path / "podman").chmod(0o755)
    assert container.program(load({}, environ={})) == str(tmp_path / "podman")


def test_the_processes_of_a_container_are_found_by_their_control_group() -> None:
    assert dock.inside("") == [] and dock.inside("0" * 64) == []
    assert not dock.is_inside(1, "") and not dock.is_inside(2**30, "x")


DOCKER = shutil.which("docker")


@pytest.mark.skipif(DOCKER is None, reason="docker's client is not installed")
@pytest.mark.parametrize("gpus", [None, UUIDS[:1], UUIDS])
def test_docker_s_own_client_takes_every_word(settings: Settings, tmp_path: Path, gpus: list[str] | None) -> None:
    """It reads its command line before it looks for the daemon, of which there is none at this address."""
    hull = Hull("r-1", 8000, tmp_path, DOCKER or "")
    one = recipe("vllm", "a/b", gpus=gpus)
    command, _ = furnished(one, find("vllm"), Bench(container.HOST, 8000, "KEY", tmp_path, settings), "r-1", hull)
    for name, text in command.files.items():
        (tmp_path / name).write_text(text)
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none"}
    done = subprocess.run(command.argv, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 125 and "docker daemon" in done.stderr.lower(), done
    wrong = subprocess.run([*command.argv[:2], "--not-an-option", *command.argv[2:]], env=environ, capture_output=True, text=True,
                           timeout=60, check=False)
    assert "unknown flag" in wrong.stderr, "it does read them"
    for words in (["ps", "--all", "--quiet", "--no-trunc", "--filter", "label=a=b"], ["rm", "--force", "--volumes", "x"],
                  ["inspect", "x"], container.stop_command(hull)[1:]):
        said = subprocess.run([DOCKER or "", *(word.replace("{grace}", "3") for word in words)], env=environ, capture_output=True,
                              text=True, timeout=60, check=False)
        assert "unknown" not in said.stderr and "daemon" in said.stderr.lower(), said
