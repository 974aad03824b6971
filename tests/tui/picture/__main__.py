"""Draw the README's picture anew."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.tui import picture

with tempfile.TemporaryDirectory(prefix="st-") as folder:
    picture.FILE.write_text(asyncio.run(picture.draw(Path(folder))), encoding="utf-8")
print(f"{picture.FILE}: {picture.FILE.stat().st_size} bytes")
