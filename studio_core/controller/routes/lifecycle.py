"""Launch, cancel, evict, wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
from starlette.responses import Response

from studio_core import wire
from studio_core.controller import sse, view
from studio_core.controller.endpoint import Call, Endpoint, Query, Table
from studio_core.controller.services import Services
from studio_core.errors import Conflict, NotFound, StudioError, by_code
from studio_core.events import Subscription
from studio_core.supervisor import instance, launch
from studio_core.supervisor.started import shown
from studio_core.wire import Event

# How a launch ended → the name of the last event of its stream.
LAST = {launch.READY: "ready", launch.FAILED: "failed", launch.CANCELLED: "cancelled", launch.SUPERSEDED: "cancelled"}


async def start(call: Call) -> Response:
    """The launch goes on whatever becomes of this request."""
    supervisor = call.services.supervisor
    begun = await supervisor.launch(call.path["recipe_id"], force=call.query["force"])
    if call.wants_events:
        return sse.stream(follow(call.services, begun.id))
    if not call.query["wait"]:
        return _answer(call.services, begun, 202)
    over = await supervisor.over(begun.id)
    if over.state == launch.READY:
        return _answer(call.services, over, 200)
    error = cause(over)
    body = {**error.body(), **wire.to_builtins(view.outcome(over, supervisor.instances()))}
    return Response(msgspec.json.encode(body), error.status, media_type="application/json")


def _answer(services: Services, one: wire.Launch, status: int) -> Response:
    body = view.outcome(one, services.supervisor.instances())
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def cause(over: wire.Launch) -> StudioError:
    """Why a launch did not become ready, as an error."""
    if over.state == launch.FAILED:
        failure = over.failure or wire.Failure(title="the launch failed")
        return by_code(failure.code)(failure.title, failure.detail, failure.hint)
    return Conflict(f"the launch was {over.state}", "", "launch it again when you want it")


async def follow(services: Services, launch_id: str) -> AsyncIterator[bytes]:
    """The events of one launch; the last one is ready, failed or cancelled."""
    ending = asyncio.ensure_future(services.supervisor.over(launch_id))
    try:
        with services.hub.subscribe() as subscription:
            yield sse.frame("launch_progress", view.progress(services.supervisor.launch_state(launch_id)))
            while not ending.done():
                event = await _before(ending, subscription, services.settings.ping_s)
                if event is None and not ending.done():
                    yield sse.PING
                elif event is not None and event.event == "launch_progress" and event.data["launch_id"] == launch_id:
                    yield sse.frame(event.event, event.data, event.id)
    except StopAsyncIteration:
        return
    finally:
        ending.cancel()
    over = ending.result()
    answer = wire.to_builtins(view.outcome(over, services.supervisor.instances()))
    problem = {} if over.state == launch.READY else cause(over).body()
    yield sse.frame(LAST[over.state], {**view.progress(over), **problem, **answer})


async def _before(ending: asyncio.Future[wire.Launch], subscription: Subscription, timeout: float) -> Event | None:
    """The next event, if one comes in time and before the end. Whoever stops listening leaves nobody who waits for one.

    Raises StopAsyncIteration when nothing is told any more.
    """
    news = asyncio.ensure_future(subscription.next(timeout))
    try:
        await asyncio.wait((news, ending), return_when=asyncio.FIRST_COMPLETED)
        return news.result() if news.done() else None
    finally:
        if not news.cancel():
            news.exception()  # It is known: nobody shall complain that it was not asked for.


async def cancel(call: Call) -> wire.Launch:
    return await call.services.supervisor.cancel(recipe_id=call.path["recipe_id"])


async def one(call: Call) -> wire.Launch:
    return call.services.supervisor.launch_state(call.path["launch_id"])


async def instances(call: Call) -> list[wire.Instance]:
    return view.live(call.services)


async def evict(call: Call) -> wire.Evicted:
    supervisor = call.services.supervisor
    chosen = _chosen(supervisor.instances(), call.query["instance"])
    if call.query["release"]:
        for each in chosen:
            supervisor.release(each.id)
        return wire.Evicted(instances=chosen)
    pid = next((each.engine_pid for each in chosen if each.engine_pid), None)
    if not call.query["instance"]:
        return wire.Evicted(evicted_pid=pid, instances=await supervisor.evict(force=call.query["force"]))
    gone = [await supervisor.evict(each.id, call.query["force"]) for each in chosen]
    return wire.Evicted(evicted_pid=pid, instances=[each for some in gone for each in some])


def _chosen(known: list[wire.Instance], name: str) -> list[wire.Instance]:
    """The instances that a name means: an instance's id or its recipe's; all for no name. Raises NotFound."""
    found = [each for each in known if name in ("", each.id, each.recipe_id)]
    if name and not found:
        raise NotFound(f"nothing runs as {name[:200]}", "", "see: studio ps")
    return found


async def wait_ready(call: Call) -> wire.Readiness:
    """Wait until an instance (of the named recipe) is ready; being told `ready: false` in time is not an error."""
    began = time.monotonic()
    deadline = began + call.query["timeout"]
    with call.services.hub.subscribe() as subscription:
        while True:
            found = [each for each in call.services.supervisor.instances() if each.state == instance.READY]
            ready = next((each for each in found if call.query["recipe"] in ("", each.recipe_id)), None)
            left = deadline - time.monotonic()
            if ready is not None or left <= 0:
                break
            try:
                await subscription.next(left)
            except StopAsyncIteration:
                break
    return wire.Readiness(
        ready=ready is not None, elapsed=round(time.monotonic() - began, 3), instance=ready.id if ready else None,
        error=None if ready else "no model became ready in time",
    )


async def command(call: Call) -> wire.StartCommand:
    """By its own id, or its recipe's; also of one that failed."""
    name = call.path["instance"]
    for keeper in call.services.supervisor.keepers():
        if name in (keeper.id, keeper.spec.recipe_id):
            return wire.StartCommand(id=keeper.id, argv=shown(keeper.spec), started_at=keeper.spec.created_at)
    raise NotFound(f"nothing runs as {name[:200]}", "", "see: studio ps")


FORCE = Query("force", bool, False, "do not wait for requests in flight")
ENDPOINTS: Table = {
    ("POST", "/launch/{recipe_id}"): Endpoint(
        start, wire.LaunchAnswer, query=(FORCE, Query("wait", bool, True, "false: answer 202 at once")), statuses=(200, 202)
    ),
    ("POST", "/launch/{recipe_id}/cancel"): Endpoint(cancel, wire.Launch),
    ("GET", "/launches/{launch_id}"): Endpoint(one, wire.Launch),
    ("GET", "/instances"): Endpoint(instances, list[wire.Instance]),
    ("GET", "/instances/{instance}/command"): Endpoint(command, wire.StartCommand),
    ("POST", "/evict"): Endpoint(evict, wire.Evicted, query=(
        FORCE, Query("instance", str, "", "an instance's or recipe's id; all without it"),
        Query("release", bool, False, "say of a failed or stuck instance that it holds nothing any more"),
    )),
    ("GET", "/wait-ready"): Endpoint(wait_ready, wire.Readiness, query=(
        Query("timeout", float, 300.0, "seconds to wait", high=3600), Query("recipe", str, "", "wait for this recipe"),
    )),
}
