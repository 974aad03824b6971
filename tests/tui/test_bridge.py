"""The bridge's end: whatever was on its way when the app left, nothing goes on behind it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from studio_core import daemon
from studio_core.settings import Settings
from studio_tui.bridge import Bridge
from tests.tui.opened import stage_in


def test_who_leaves_while_the_listener_is_imported_leaves_no_listener_and_no_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawned: list[Settings] = []
    monkeypatch.setattr(daemon, "spawn", spawned.append)
    bridge = Bridge(stage_in(tmp_path).settings)
    bridge.stop()
    listening = threading.Thread(target=bridge._listen, daemon=True)
    listening.start()
    listening.join(60)
    assert not listening.is_alive() and spawned == []
