"""What a new controller finds in `instances/`: engines that live, engines that died, and what is not ours."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

from studio_core.engines.registry import find
from studio_core.errors import StudioError
from studio_core.paths import Places
from studio_core.supervisor import identity
from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.keeper import Keeper, Surroundings


async def adopt(around: Surroundings, notices: list[str]) -> list[Keeper]:
    """A keeper for every instance of this machine that may still run or hold something.

    Folders of other machines or pid namespaces are left alone and said; those of an earlier boot are dead for certain.
    """
    here = identity.here(os.getpid())
    found = []
    for folder in sorted(around.places.instances.iterdir()):
        if not (folder / "spec.json").exists() and records.revoke(folder):
            # Its writer died before it could exec the shim.
            shutil.rmtree(folder)
            continue
        try:
            spec = specs.read(folder)
            engine = find(spec.engine)
        except (OSError, ValueError, StudioError) as error:
            notices.append(f"instance {folder.name} cannot be read and is left alone: {error}")
            continue
        if spec.machine != here.machine or (spec.boot == here.boot and spec.pidns != here.pidns):
            notices.append(f"instance {folder.name} belongs to another machine or container and is left alone")
            continue
        if spec.boot != here.boot:
            archive(around.places, folder.name)
            continue
        keeper = Keeper(spec, engine, around)
        keeper.record = records.read(folder)
        keeper.follow()
        found.append(keeper)
    return found


def archive(places: Places, instance_id: str) -> None:
    """Move the folder of an engine that is gone to the history, without its secrets; one that never began leaves nothing."""
    folder = places.instance(instance_id)
    if not folder.exists():
        return
    if records.read(folder) is None:
        shutil.rmtree(folder)
        return
    records.settle(folder)
    try:
        specs.write(folder, replace(specs.read(folder), env={}, api_key=""))
    except (OSError, ValueError):
        (folder / "spec.json").unlink(missing_ok=True)
    target = places.history / instance_id
    if target.exists():
        shutil.rmtree(target)
    folder.rename(target)
