"""The chat of the app: an answer at 50 tokens a second, and a chat of ten thousand messages."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from studio_core.bench.figure import Row
from studio_core.bench.glass import Glass
from studio_core.bench.launch import scripted
from studio_core.bench.premises import Premises, premises
from studio_core.bench.screen import p95, processor
from studio_core.bench.terminal import Terminal

PACE_S, SECONDS = 1 / 50, 20.0
MESSAGES = 10_000
TURNS, PAGES = 4, 15
PAGE_UP, END, ESCAPE = "\x1b[5~", "\x1b[F", "\x1b"


def measure() -> Iterator[Row]:
    with premises() as home, tempfile.TemporaryDirectory() as folder:
        home.client.put_recipe(scripted(Path(folder), tokens=int(SECONDS / PACE_S * 2), token_s=PACE_S))
        home.launch("scripted")
        _fill(home)
        with Terminal([sys.executable, "-m", "studio_core"], {**os.environ, **home.names}) as terminal:
            glass = Glass(terminal)
            glass.until("ready", 60)
            terminal.send("4")
            glass.until("to scripted", 30)
            yield from _streamed(terminal, glass)
            yield from _long(terminal, glass)


def _fill(home: Premises) -> None:
    """A stored chat of ten thousand messages, half of them Markdown."""
    chat = home.client.new_chat("scripted", "ten thousand").id
    text = "message **{}** of many, with `code`\n\n- and a list\n- of two"
    rows = ((f"{chat}-{at}", chat, "assistant" if at % 2 else "user", text.format(at), "scripted") for at in range(MESSAGES))
    with sqlite3.connect(home.places.root / "controller.db", timeout=30) as store:
        store.executemany("INSERT INTO chat_messages (id, session_id, role, content, model) VALUES (?, ?, ?, ?, ?)", rows)


def _streamed(terminal: Terminal, glass: Glass) -> Iterator[Row]:
    terminal.send("tell me\r")
    glass.until("answering", 60)
    time.sleep(2)
    used, began = processor(terminal.pid), time.monotonic()
    sent = terminal.received
    time.sleep(SECONDS)
    lasted = time.monotonic() - began
    cpu, rate = (processor(terminal.pid) - used) / lasted * 100, (terminal.received - sent) / lasted
    yield Row("chat: processor at 50 tokens/s", cpu, "% of a core", 15.0, f"{rate / 1000:.1f} kB/s")
    terminal.send(ESCAPE)
    glass.until("stopped", 60)


def _long(terminal: Terminal, glass: Glass) -> Iterator[Row]:
    """Pages that were not drawn before, far up, and back to the end."""
    terminal.send(ESCAPE)
    time.sleep(1)
    terminal.send("]")
    glass.until("10 000 messages", 60)
    time.sleep(2)
    found = []
    for _ in range(TURNS):
        found += [glass.change(PAGE_UP, _first) for _ in range(PAGES)]
        found.append(glass.latency(END, f"message {MESSAGES - 1} of many"))
    note = f"{len(found)} keys, median {sorted(found)[len(found) // 2]:.0f} ms"
    yield Row(f"chat: key to frame in {MESSAGES} messages, p95", p95(found), "ms", 100.0, note)


def _first(text: str) -> str | None:
    """The first message on the screen."""
    found = re.search(r"message (\d+) of many", text)
    return found[1] if found else None
