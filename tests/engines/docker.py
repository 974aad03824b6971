#!/usr/bin/env python3
"""A scripted `docker`: a daemon with a monitor for each container, and the client, as Docker's reference has them.

Its folder is what DOCKER_HOST names (`scripted:///folder`). Images are files in `images/`: JSON with `entrypoint` (an argv
list) and `programs` (name → argv list). A file `pulling` there keeps `run` from making anything, `down` makes the daemon
unreachable, `deaf` makes `rm` fail, `calls` gets every command line.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

HOME = Path(os.environ.get("DOCKER_HOST", "").removeprefix("scripted://") or "/nonexistent")
VALUED = ("--name", "--label", "--cidfile", "--env-file", "--publish", "--shm-size", "--ulimit", "--gpus", "--mount",
          "--entrypoint", "--device")
BARE = ("--init", "--rm")
PAUSE_S = 0.01


def fail(text: str, code: int = 1) -> NoReturn:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
    os._exit(code)


def reach(code: int = 1) -> None:
    if (HOME / "down").exists() or not HOME.is_dir():
        fail(f"Cannot connect to the Docker daemon at {os.environ.get('DOCKER_HOST')}. Is the docker daemon running?", code)


def containers() -> list[Path]:
    return sorted((HOME / "containers").glob("*/"))


def load(folder: Path, name: str) -> Any:
    """Of one that somebody removed meanwhile: that it has ended, and nothing else."""
    try:
        return json.loads((folder / name).read_text())
    except FileNotFoundError:
        return {"name": "", "labels": {}, "Status": "removed", "Running": False, "Pid": 0, "ExitCode": 137}


def save(folder: Path, name: str, data: Any) -> None:
    fresh = folder / f"{name}.{os.getpid()}"
    fresh.write_text(json.dumps(data))
    fresh.replace(folder / name)


def find(name: str) -> Path:
    """By id or name."""
    for folder in containers():
        if name in (folder.name, load(folder, "config.json")["name"]):
            return folder
    fail(f"Error response from daemon: No such container: {name}")


def parse(words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    options: dict[str, list[str]] = {}
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word in BARE:
            options[word] = []
        elif word in VALUED and words:
            options.setdefault(word, []).append(words.pop(0))
        else:
            fail(f"unknown flag: {word}\n\nSee 'docker run --help'.", 125)
    return options, words


def run(words: list[str]) -> NoReturn:
    options, (image, *rest) = parse(words)
    reach(125)
    if not (HOME / "images" / f"{image}.json").exists():
        fail(f"Unable to find image '{image}' locally\ndocker: Error response from daemon: pull access denied for {image}.", 125)
    if Path(options["--cidfile"][0]).exists():
        fail("docker: container ID file found, make sure the other container isn't running", 125)
    while (HOME / "pulling").exists():
        time.sleep(PAUSE_S)
    name = options["--name"][0]
    if any(load(one, "config.json")["name"] == name for one in containers()):
        fail(f'docker: Error response from daemon: Conflict. The container name "/{name}" is already in use.', 125)
    folder = create(options, image, rest, name)
    Path(options["--cidfile"][0]).write_text(folder.name)
    start(folder)
    follow(folder)


def create(options: dict[str, list[str]], image: str, rest: list[str], name: str) -> Path:
    made = json.loads((HOME / "images" / f"{image}.json").read_text())
    entry = options.get("--entrypoint", [""])[0]
    argv = [*(made["programs"].get(entry, [entry]) if entry else made["entrypoint"]), *rest]
    for mount in options.get("--mount", []):
        told = dict(part.partition("=")[::2] for part in mount.split(","))
        source = told["source"]
        if told["type"] == "volume":
            # Made where it is missing, under its name.
            continue
        if not Path(source).exists():
            fail(f"docker: Error response from daemon: invalid mount config: bind source path does not exist: {source}.", 125)
    env = {"PATH": "/usr/bin:/bin", "HOSTNAME": "box"}
    for path in options.get("--env-file", []):
        env |= dict(line.partition("=")[::2] for line in Path(path).read_text().splitlines())
    ports = {}
    for publish in options.get("--publish", []):
        host, outside, inside = publish.split(":")
        ports[f"{inside}/tcp"] = [{"HostIp": host, "HostPort": outside}]
    folder = HOME / "containers" / (secrets.token_hex(32))
    folder.mkdir(parents=True)
    labels = dict(label.partition("=")[::2] for label in options.get("--label", []))
    save(folder, "config.json", {"name": name, "argv": argv, "env": env, "ports": ports, "labels": labels})
    save(folder, "state.json", {"Status": "created", "Running": False, "Pid": 0, "ExitCode": 0})
    (folder / "log").touch()
    return folder


def start(folder: Path) -> None:
    """The daemon's child, never the client's: the client can die."""
    (folder / "start").touch()
    while load(folder, "state.json")["Status"] == "created":
        time.sleep(PAUSE_S)


def daemon() -> None:
    """Starts a monitor for each container that was asked for, until its stdin ends."""
    os.set_blocking(0, False)
    monitors: list[subprocess.Popen[bytes]] = []
    while os.read(0, 1) if select.select([0], [], [], PAUSE_S)[0] else True:
        for folder in containers():
            with contextlib.suppress(OSError):
                (folder / "start").unlink()
                monitors.append(subprocess.Popen([sys.executable, __file__, "monitor", str(folder)], stdin=subprocess.DEVNULL))
        monitors = [one for one in monitors if one.poll() is None]
    for folder in containers():
        strike(folder, signal.SIGKILL)
    for one in monitors:
        one.wait()


def monitor(folder: Path) -> None:
    """Runs the container's first process, and when that ends, ends all that it has left."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    config = load(folder, "config.json")
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(config["argv"], env=config["env"], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)
    save(folder, "state.json", {"Status": "running", "Running": True, "Pid": process.pid, "ExitCode": 0})
    code = process.wait()
    while children := below(os.getpid()):
        for pid in children:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    save(folder, "state.json", {"Status": "exited", "Running": False, "Pid": 0, "ExitCode": code if code >= 0 else 128 - code})


def below(pid: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            if name.isdigit() and int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(name))
    return found


def follow(folder: Path) -> NoReturn:
    """The attached client: its output, its exit code; the signals that it gets are the container's."""
    signal.signal(signal.SIGTERM, lambda *_: strike(folder, signal.SIGTERM))
    with (folder / "log").open("rb", buffering=0) as log:
        while True:
            state = load(folder, "state.json")
            while piece := log.read(65536):
                sys.stdout.buffer.write(piece)
                sys.stdout.flush()
            if not state["Running"]:
                os._exit(state["ExitCode"])
            time.sleep(PAUSE_S)


def strike(folder: Path, number: int) -> None:
    state = load(folder, "state.json")
    if state["Running"]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(state["Pid"], number)


def ended(folder: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while load(folder, "state.json")["Running"]:
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_S)
    return True


def stop(words: list[str]) -> None:
    reach()
    seconds = 10
    if words[0] in ("-t", "--time", "--timeout"):
        seconds, words = int(words[1]), words[2:]
    for name in words:
        folder = find(name)
        strike(folder, signal.SIGTERM)
        if not ended(folder, seconds):
            strike(folder, signal.SIGKILL)
            ended(folder, 60)
        print(name)


def remove(words: list[str]) -> None:
    reach()
    force = "--force" in words
    for name in (word for word in words if not word.startswith("-")):
        folder = find(name)
        if (HOME / "deaf").exists():
            fail(f"Error response from daemon: cannot remove container {name}: device or resource busy")
        if load(folder, "state.json")["Running"]:
            if not force:
                fail(f"Error response from daemon: cannot remove container {name}: container is running")
            strike(folder, signal.SIGKILL)
            ended(folder, 60)
        # At once for all who look.
        grave = HOME / f"removed-{folder.name}"
        folder.rename(grave)
        for path in grave.iterdir():
            path.unlink()
        grave.rmdir()
        print(name)


def ps(words: list[str]) -> None:
    reach()
    wanted = words[words.index("--filter") + 1].removeprefix("label=").partition("=")[::2]
    for folder in containers():
        bears = load(folder, "config.json")["labels"].get(wanted[0]) == wanted[1]
        if bears and ("--all" in words or load(folder, "state.json")["Running"]):
            print(folder.name if "--no-trunc" in words else folder.name[:12])


def inspect(words: list[str]) -> None:
    reach()
    folder = find(words[0])
    config = load(folder, "config.json")
    print(json.dumps([{
        "Id": folder.name, "Name": f"/{config['name']}", "State": load(folder, "state.json"),
        "Config": {"Labels": config["labels"]}, "NetworkSettings": {"Ports": config["ports"]},
    }]))


def main() -> None:
    verb, *words = sys.argv[1:] or ["help"]
    if verb == "monitor":
        monitor(Path(words[0]))
        return
    if verb == "daemon":
        daemon()
        return
    if HOME.is_dir():
        with (HOME / "calls").open("a") as file:
            file.write(json.dumps([verb, *words]) + "\n")
    verbs = {"run": run, "stop": stop, "rm": remove, "ps": ps, "inspect": inspect}
    if verb not in verbs:
        fail(f"docker: '{verb}' is not a docker command.")
    verbs[verb](words)


if __name__ == "__main__":
    main()
