"""Other Studios that app and command line may drive: `servers:` of studio.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from studio_core.errors import BadSetting

if TYPE_CHECKING:
    from studio_core.settings import Settings

FIELDS = frozenset({"name", "url", "key_file"})


class Server(NamedTuple):
    """`url` is http or https; `key_file` holds a key of that server, or is empty."""

    name: str
    url: str
    key_file: str = ""

    def key(self) -> str:
        """Its key. Raises BadSetting where the file cannot be read."""
        if not self.key_file:
            return ""
        path = Path(self.key_file).expanduser()
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(f"cannot read the key of server {self.name}", str(error), f"write a key into {path}") from error


def read(value: Any) -> tuple[dict[str, str], ...]:
    """The setting as it is written: a list of mappings. Raises ValueError for what it may not hold."""
    if not isinstance(value, (list, tuple)):
        raise ValueError
    found = tuple(_row(each) for each in value)
    if len({row["name"] for row in found}) != len(found):
        raise ValueError
    return found


def _row(each: Any) -> dict[str, str]:
    if not isinstance(each, Mapping) or set(each) - FIELDS or not (each.get("name") and each.get("url")):
        raise ValueError
    return {name: str(text) for name, text in each.items()}


def servers(settings: Settings) -> list[Server]:
    return [Server(**row) for row in settings.servers]


def named(settings: Settings, name: str) -> Server | None:
    return next((one for one in servers(settings) if one.name == name), None)


def aimed(settings: Settings, server: Server | None) -> Settings:
    """The settings that drive that server, or with None this machine's own Studio.

    The key of one Studio is never shown to another. Raises BadSetting where the server's key cannot be read.
    """
    origin = f"server {server.name}" if server else "default"
    found = {"url": server.url if server else "", "api_key": server.key() if server else ""}
    values = {**settings.values, **found}
    return type(settings)(values, {**settings.origins, **dict.fromkeys(found, origin)})
