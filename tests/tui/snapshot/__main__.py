"""Draw all snapshots anew. Look at them before they are kept."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.house import house
from tests.tui import snapshot

with tempfile.TemporaryDirectory(prefix="st-") as folder, house(Path(folder), exclusive=False) as home:
    snapshot.furnish(home)
    for size in snapshot.SIZES:
        for room, text in asyncio.run(snapshot.rooms(home, size)).items():
            snapshot.path(room, size).parent.mkdir(exist_ok=True)
            snapshot.path(room, size).write_text(text, encoding="utf-8")
    print(f"{snapshot.FOLDER}: {len(snapshot.SIZES)} sizes")
