"""Status, GPUs, configuration, metrics, the description of the API, and the end of the controller."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from studio_core import settings as table
from studio_core import wire
from studio_core.controller import openapi, view
from studio_core.controller.endpoint import Call, Endpoint, Query, Table
from studio_core.setting_store import shown
from studio_core.store.sample import COARSE

SPAN = (
    Query("span", float, 900.0, "seconds back from now", 10.0, COARSE.kept_s),
    Query("count", int, 90, "how many steps at most", 1, 1000),
)


async def status(call: Call) -> wire.Status:
    await call.services.foreign.look()
    return view.status(call.services)


async def gpus(call: Call) -> wire.Gpus:
    call.services.gpu.look()
    return call.services.gpu.latest()


async def samples(call: Call) -> wire.Samples:
    return await call.services.recorder.samples(call.query["span"], call.query["count"])


async def snapshot(call: Call) -> wire.Snapshot:
    """Without a look for engines of others: nothing here takes time."""
    services = call.services
    services.gpu.look()
    return wire.Snapshot(
        status=view.status(services), gpus=services.gpu.latest(), metrics=services.meter.latest, samples=await samples(call)
    )


async def config(call: Call) -> dict[str, Any]:
    settings = call.services.settings
    gateway = call.services.daemons.gateway()
    host, port = gateway.host or settings.host, gateway.port or settings.port
    url = wire.Gateway(host=host, port=port, tls=gateway.tls).url
    return {
        "config": {
            "host": host, "port": port, "inference_port": settings.inference_port,
            "api_key_configured": bool(settings.api_key), "models_dir": settings.models_dir,
            "data_dir": str(settings.state_dir), "db_path": str(settings.database),
            "sglang_python": settings.sglang_python, "tabby_api_dir": settings.tabby_api_dir,
        },
        "services": _services(call, host, port),
        "environment": {
            "controller_url": url, "inference_url": f"{url}/v1", "litellm_url": f"{url}/v1", "frontend_url": "",
        },
        "settings": [
            {
                "name": one.name, "value": shown(one, settings.values[one.name]), "origin": settings.origins[one.name],
                "variable": one.variable, "doc": one.doc,
            }
            for one in table.TABLE
        ],
    }


def _services(call: Call, host: str, port: int) -> list[dict[str, Any]]:
    daemons = call.services.daemons
    rows = [
        ("Controller", port, "unix", "running", "life of models, store, events"),
        ("Gateway", port, "http", "running" if daemons.gateway().connected else "stopped", f"the API on {host}:{port}"),
        ("Probe", 0, "pipe", "running" if daemons.probe().pid else "stopped", "reads the GPUs"),
        *(
            (one.name, one.port, "http", view.STATUS.get(one.state, "unknown"), f"{one.engine} engine")
            for one in call.services.supervisor.instances()
        ),
    ]
    keys = ("name", "port", "protocol", "status", "description")
    return [{**dict(zip(keys, row, strict=True)), "internal_port": row[1]} for row in rows]


async def metrics(call: Call) -> Response:
    """Without waiting for a look for engines of others, which takes tens of milliseconds: they are as they were seen last."""
    services = call.services
    services.foreign.glance()
    text = services.exporter.text(view.status(services), services.gpu.latest(), services.hub.stats())
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def description(call: Call) -> dict[str, Any]:
    from studio_core.controller.app import endpoints

    return openapi.document(endpoints())


async def shutdown(call: Call) -> wire.Done:
    call.services.shutdown(call.query["engines"])
    return wire.Done()


ENDPOINTS: Table = {
    ("GET", "/status"): Endpoint(status, wire.Status),
    ("GET", "/gpus"): Endpoint(gpus, wire.Gpus),
    ("GET", "/samples"): Endpoint(samples, wire.Samples, query=SPAN),
    ("GET", "/snapshot"): Endpoint(snapshot, wire.Snapshot, query=SPAN),
    ("GET", "/config"): Endpoint(config),
    ("GET", "/metrics"): Endpoint(metrics, media="text/plain"),
    ("GET", "/openapi.json"): Endpoint(description),
    ("POST", "/shutdown"): Endpoint(
        shutdown, wire.Done, query=(Query("engines", bool, False, "stop the engines too"),), statuses=(202,)
    ),
}
