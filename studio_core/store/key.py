"""API keys: random, shown once, stored as SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from studio_core.errors import NotFound
from studio_core.paths import Places
from studio_core.store.kept import Kept
from studio_core.store.store import Store


@dataclass(frozen=True, slots=True)
class StoredKey:
    id: str
    name: str
    sha256: str
    scopes: tuple[str, ...]
    created_at: str


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class KeyTable:
    """The keys that are not revoked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.kept: Kept[tuple[StoredKey, ...]] = Kept(self._all)

    async def list(self) -> list[StoredKey]:
        return [*await self.kept.value()]

    async def _all(self) -> tuple[StoredKey, ...]:
        rows = await self._store.read("SELECT * FROM keys WHERE revoked_at IS NULL ORDER BY created_at")
        return tuple(StoredKey(r["id"], r["name"], r["sha256"], tuple(json.loads(r["scopes"])), r["created_at"]) for r in rows)

    async def create(self, name: str, scopes: tuple[str, ...]) -> str:
        """A new key of 256 random bits; this is the only time it is seen."""
        key = _new()
        await self.add(key, name, scopes)
        return key

    async def add(self, key: str, name: str, scopes: tuple[str, ...]) -> None:
        """Know a key that exists already; once more does nothing."""
        row = (key_id(key), name, digest(key), json.dumps(scopes), datetime.now(UTC).isoformat())

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR IGNORE INTO keys (id, name, sha256, scopes, created_at) VALUES (?, ?, ?, ?, ?)", row)

        await self._store.write(work, self.kept.written)

    async def revoke(self, key_id: str) -> None:
        """It opens nothing any more. Raises NotFound."""
        now = datetime.now(UTC).isoformat()

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute("UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (now, key_id)).rowcount

        if not await self._store.write(work, self.kept.written):
            raise NotFound(f"there is no key {key_id[:80]}", "", "see: studio keys list")


def key_id(key: str) -> str:
    """The id of a key, which tells nothing of it."""
    return f"k-{digest(key)[:12]}"


def admin_key_id(places: Places) -> str:
    """The id of the key in `admin.key`; empty where there is none."""
    try:
        return key_id(places.admin_key.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError):
        return ""


async def ensure_admin_key(places: Places, keys: KeyTable) -> None:
    """Write `admin.key` (0600) at the first start; afterwards see to it that the database knows the file's key.

    Raises:
        DiskFull, StoreError: the database could not take it. OSError: the file could not be written; then there is none.
    """
    key = ""
    with contextlib.suppress(FileNotFoundError):
        key = places.admin_key.read_text(encoding="ascii").strip()
    if not key:
        # An empty file is what a full disk leaves: its text must never count as a key.
        key = _new()
        _write(places.admin_key, key)
    await keys.add(key, "admin", ("admin",))


def _write(path: Path, key: str) -> None:
    """The whole key or no file."""
    fresh = path.with_suffix(".new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(key + "\n")
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _new() -> str:
    return f"sk-{secrets.token_hex(32)}"
