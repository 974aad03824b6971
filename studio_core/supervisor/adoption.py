"""What a new controller finds in `instances/`: engines that live, engines that died, and what is not ours."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from studio_core.engines.registry import find
from studio_core.errors import StudioError
from studio_core.paths import Places
from studio_core.supervisor import identity
from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.spec import Spec
from studio_core.supervisor.surroundings import Surroundings


class Found(NamedTuple):
    """`unbegun` are starts whose controller died before they had a shim: nothing of them ran, and they may begin anew."""

    keepers: list[Keeper]
    unbegun: list[Spec]


async def adopt(around: Surroundings, notices: list[str]) -> Found:
    """A keeper for every instance of this machine that may still run or hold something.

    What belongs to other users, machines or pid namespaces is left alone and said, and so is what cannot be read. Instances
    of an earlier boot are dead for certain.
    """
    found = Found([], [])
    for folder in sorted(around.places.instances.iterdir()):
        try:
            spec = _ours(folder)
            if spec is None:
                continue
            if spec.boot != identity.boot_id():
                archive(around.places, folder.name)
                continue
            record = records.read(folder)
            if record is None and records.revoke(folder):
                _discard(folder)
                found.unbegun.append(spec)
                continue
            keeper = Keeper(spec, find(spec.engine), around)
        except Foreign as error:
            notices.append(f"instance {folder.name} {error.title} and is left alone")
            continue
        except (OSError, ValueError, StudioError) as error:
            notices.append(f"instance {folder.name} cannot be read and is left alone: {error}")
            continue
        keeper.record = record
        keeper.follow()
        found.keepers.append(keeper)
    return found


class Foreign(StudioError):
    """It is not for us to touch this folder, nor the processes that it names."""


def _ours(folder: Path) -> Spec | None:
    """The spec of an instance; None for a folder whose writer died before it could exec the shim: it is removed.

    Raises:
        Foreign: somebody else's. OSError, ValueError: it cannot be read.
    """
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise Foreign("is no folder")
    if info.st_uid != os.getuid():
        raise Foreign(f"belongs to uid {info.st_uid}")
    if not (folder / "spec.json").exists() and records.revoke(folder):
        _discard(folder)
        return None
    spec, here = specs.read(folder), identity.here(os.getpid())
    if spec.machine != here.machine or (spec.boot == here.boot and spec.pidns != here.pidns):
        raise Foreign("belongs to another machine or container")
    if spec.instance != folder.name:
        raise Foreign("names another instance")
    return spec


def _discard(folder: Path) -> None:
    """Remove a start that never began. Its spec goes before its lock: a shim that is still on its way finds nothing to run."""
    (folder / "spec.json").unlink(missing_ok=True)
    shutil.rmtree(folder)


def archive(places: Places, instance_id: str) -> None:
    """Move the folder of an engine that is gone to the history, without its secrets; one that never began leaves nothing."""
    folder = places.instance(instance_id)
    if not folder.exists():
        return
    if records.read(folder) is None:
        _discard(folder)
        return
    records.settle(folder)
    try:
        spec = specs.read(folder)
        for name in spec.files:
            (folder / name).unlink(missing_ok=True)
        specs.write(folder, replace(spec, env={}, api_key="", files={}))
    except (OSError, ValueError):
        (folder / "spec.json").unlink(missing_ok=True)
    target = places.history / instance_id
    if target.exists():
        shutil.rmtree(target)
    folder.rename(target)
