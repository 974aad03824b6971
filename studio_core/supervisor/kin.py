"""Whose a process is: an instance's of this Studio, or a stranger's."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from studio_core.supervisor import tree
from studio_core.supervisor.census import Identity
from studio_core.supervisor.keeper import Keeper


def kin(candidates: Collection[Identity], keepers: Iterable[Keeper]) -> set[Identity]:
    """Those of some processes that belong to an instance: by its record, else by every trait of its tree.

    The record is behind by one scan of its shim, the traits take a scan of all processes: they are asked when it must be.
    """
    keepers = [one for one in keepers if one.life.claims]
    known = {one for keeper in keepers if keeper.record is not None for one in keeper.record.seen}
    found = set(candidates) & known
    rest = set(candidates) - found
    for keeper in keepers:
        if not rest:
            break
        mine = {one for one in rest if keeper.owns(one[0])}
        found, rest = found | mine, rest - mine
        mine = rest & {(one.pid, one.ticks) for one in tree.members(keeper.id, keeper.record)}
        found, rest = found | mine, rest - mine
    return found
