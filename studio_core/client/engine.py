"""Engines: what is installed, what somebody else started, and what a running one can be asked to do."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from studio_core import wire
from studio_core.client.connection import Connection


class EngineCalls(Connection):
    """What is asked about engines."""

    def engines(self) -> wire.Engines:
        return self._get("/engines", wire.Engines)

    def install(self, engine: str, version: str = "") -> wire.Job:
        """Begin to build an engine's own environment. Raises Conflict when that is under way."""
        return self._send("POST", f"/engines/{quote(engine, safe='') or '-'}/install", wire.Job, {"version": version})

    def cancel_install(self, engine: str) -> wire.Job:
        return self._send("DELETE", f"/engines/{quote(engine, safe='') or '-'}/install", wire.Job)

    def foreign(self) -> list[wire.Foreign]:
        return self._get("/foreign", list[wire.Foreign])

    def attach(self, pid: int, name: str = "", key: str = "", ticks: int | None = None) -> wire.Foreign:
        """Serve a foreign engine under a name, until it ends or is detached."""
        return self._send("POST", f"/foreign/{pid}/attach", wire.Foreign, {"name": name, "key": key, "ticks": ticks})

    def detach(self, pid: int) -> None:
        self._send("POST", f"/foreign/{pid}/detach", Any)

    def stop_foreign(self, pid: int, ticks: int, confirm: str, force: bool = False) -> None:
        """End a foreign engine; `ticks` as it was shown, `confirm` its name. Waits until it is gone."""
        body = {"ticks": ticks, "confirm": confirm, "force": force}
        self._send("POST", f"/foreign/{pid}/stop", Any, body, endless=True)

    def sleep(self, name: str, level: int = 0, force: bool = False) -> wire.Instance:
        """Of an instance or a recipe; waits until it sleeps. Raises Conflict where it cannot."""
        query = urlencode({"level": level, "force": str(force).lower()})
        return self._send("POST", f"/instances/{quote(name, safe='')}/sleep?{query}", wire.Instance, endless=True)

    def wake(self, name: str) -> wire.Instance:
        return self._send("POST", f"/instances/{quote(name, safe='')}/wake", wire.Instance, endless=True)

    def adapters(self, name: str) -> list[wire.Adapter]:
        return self._send("GET", f"/instances/{quote(name, safe='')}/adapters", list[wire.Adapter])

    def load_adapter(self, name: str, adapter: str, path: str) -> list[wire.Adapter]:
        body = {"name": adapter, "path": path}
        return self._send("POST", f"/instances/{quote(name, safe='')}/adapters", list[wire.Adapter], body, endless=True)

    def scale_adapter(self, name: str, adapter: str, scale: float) -> list[wire.Adapter]:
        """How much an adapter counts; of llama.cpp only."""
        path = f"/instances/{quote(name, safe='')}/adapters/{quote(adapter, safe='')}"
        return self._send("PUT", path, list[wire.Adapter], {"scale": scale})

    def slots(self, name: str) -> list[dict[str, Any]]:
        """The slots of a llama.cpp server, as it tells them."""
        return self._get(f"/instances/{quote(name, safe='')}/slots", list[dict[str, Any]])

    def change_slot(self, name: str, slot: int, action: str, file: str = "") -> dict[str, Any]:
        """`save`, `restore` or `erase`; the file is a plain name in the folder of --slot-save-path. Raises Conflict without one."""
        body = {"action": action, "file": file}
        return self._send("POST", f"/instances/{quote(name, safe='')}/slots/{slot}", dict[str, Any], body, endless=True)

    def unload_adapter(self, name: str, adapter: str) -> list[wire.Adapter]:
        path = f"/instances/{quote(name, safe='')}/adapters/{quote(adapter, safe='')}"
        return self._send("DELETE", path, list[wire.Adapter], endless=True)
