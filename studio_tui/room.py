"""The rooms of the app, in the order of their digits, and how they are opened and remembered."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from studio_tui import keymap, memory
from studio_tui.screens.place import Place

if TYPE_CHECKING:
    from studio_tui.app import StudioApp


class Room(Struct, frozen=True):
    """A place that a digit opens: its module below `studio_tui.screens` is imported when it is first shown."""

    title: str
    module: str
    name: str


ROOMS = {
    "dashboard": Room("Dashboard", "dashboard", "Dashboard"),
    "recipes": Room("Recipes", "recipes", "Recipes"),
    "logs": Room("Logs", "logs", "Logs"),
    "chat": Room("Chat", "chat", "Chat"),
    "usage": Room("Usage", "usage", "Usage"),
    "models": Room("Models", "models", "Models"),
    "mcp": Room("MCP", "mcp", "Mcp"),
    "bench": Room("Bench", "bench", "Bench"),
    "system": Room("System", "system", "System"),
}
FIRST = "dashboard"


class Rooms:
    """The rooms of the Studio that is driven; `keys` are those that hold. What each says of itself is kept in `memory`."""

    def __init__(self, app: StudioApp, keys: dict[str, str]) -> None:
        self._app, self._keys = app, keys
        self._era = 0
        self.memory = memory.Memory(app.bridge.settings.state_dir / memory.NAME)
        self.furnish()

    def furnish(self) -> None:
        for name in ROOMS:
            self._app.add_mode(self.mode(name), partial(self.open, name))

    def mode(self, name: str) -> str:
        """What Textual calls a room. Those of another server are other rooms."""
        return f"{name}{self._era or ''}"

    def open(self, name: str) -> Place:
        room, app = ROOMS[name], self._app
        kind: type[Place] = getattr(import_module(f"studio_tui.screens.{room.module}"), room.name)
        digits = [(keymap.spelled(self._keys[f"app.{key}"]), each.title) for key, each in ROOMS.items()]
        kept = self._block["rooms"].get(name)
        place = kind(app.bridge, digits, room.title, app.read_only, kept if isinstance(kept, dict) else {})
        place.set_reactive(Place.view, app.known)
        self._fit(place)
        return place

    def _fit(self, place: Place) -> None:
        """Textual names a screen's size to its styles when it is there, and works out all of them a second time."""
        app = self._app
        wide = place._get_breakpoint_classes(app.size.width, app.HORIZONTAL_BREAKPOINTS)
        place.add_class(*wide, *place._get_breakpoint_classes(app.size.height, app.VERTICAL_BREAKPOINTS), update=False)
        place._css_update_count = app._css_update_count

    @property
    def _block(self) -> dict[str, Any]:
        return self.memory.server(self._app.bridge.settings.url)

    @property
    def here(self) -> str:
        """The room that is shown."""
        return next((name for name in ROOMS if self.mode(name) == self._app.current_mode), FIRST)

    @property
    def last(self) -> str:
        """The room in which one was when the app was left."""
        room = self._block.get("room")
        return room if isinstance(room, str) and room in ROOMS else FIRST

    @property
    def shown(self) -> Place | None:
        """The place itself, also below a dialog; None while there is none."""
        found = next((one for one in self._app.screen_stack if isinstance(one, Place)), None)
        return found if found is not None and found.is_mounted else None

    def remember(self) -> None:
        """Write down where one is and what the room that is shown says of itself."""
        if (place := self.shown) is not None:
            self._block["room"] = self.here
            self._block["rooms"][self.here] = place.keep()
        self.memory.theme = self._app.theme
        self.memory.save()

    def move(self) -> list[str]:
        """Rooms of their own for another server; gives the modes of the old ones."""
        old = [self.mode(name) for name in ROOMS]
        self._era += 1
        self.furnish()
        return old
