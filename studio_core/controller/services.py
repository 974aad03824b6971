"""What the routes work with: one frozen collection of services, filled by the service graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio_core import wire
from studio_core.chat.turn import Turns
from studio_core.events import Hub
from studio_core.gateway.table import Ask, Told
from studio_core.gpu.watch import GpuWatch
from studio_core.metrics.exporter import Exporter
from studio_core.metrics.meter import Meter
from studio_core.metrics.recorder import Recorder
from studio_core.paths import Places
from studio_core.settings import Settings
from studio_core.store.chat import ChatTable
from studio_core.store.key import KeyTable
from studio_core.store.launch import LaunchTable
from studio_core.store.recipe import RecipeTable
from studio_core.store.request import Used
from studio_core.supervisor.foreign import Foreigners
from studio_core.supervisor.job import Jobs
from studio_core.supervisor.service import Supervisor


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums that are read from the database on demand, each as the API answers it; `used` by recipe."""

    usage: Callable[[], Awaitable[Mapping[str, Any]]]
    peaks: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
    lifetime: Callable[[], Awaitable[Mapping[str, float]]]
    used: Callable[[], Awaitable[Mapping[str, Used]]]


@dataclass(frozen=True, slots=True)
class Daemons:
    """Studio's own processes, as they are at this moment."""

    controller: Callable[[], wire.Daemon]
    gateway: Callable[[], wire.Gateway]
    probe: Callable[[], wire.Daemon]
    inflight: Callable[[], Mapping[str, int]]
    waiting: Callable[[], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Services:
    """Every collaborator of the routes.

    `ask` asks every gateway, `models` finds model files (the answer of /v1/studio/models), `takeover` copies
    vLLM Studio's data, `changed` tells that recipes changed and returns when the gateways know it,
    `shutdown(engines)` ends controller and gateway after the answer has left, `restart()` the controller alone, which the gateway
    then starts anew, and `notices` are lines for a person.
    """

    settings: Settings
    places: Places
    recipes: RecipeTable
    chats: ChatTable
    launches: LaunchTable
    supervisor: Supervisor
    hub: Hub
    gpu: GpuWatch
    meter: Meter
    recorder: Recorder
    turns: Turns
    figures: Figures
    daemons: Daemons
    exporter: Exporter
    jobs: Jobs
    foreign: Foreigners
    ask: Callable[[Ask], Awaitable[list[Told]]]
    models: Callable[[], Awaitable[Mapping[str, Any]]]
    takeover: Callable[[Path], Awaitable[wire.Takeover]]
    changed: Callable[[], Awaitable[None]]
    shutdown: Callable[[bool], None]
    restart: Callable[[], None]
    keys: KeyTable
    notices: Callable[[], list[str]]
