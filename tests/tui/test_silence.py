"""A Studio that is gone without a word: no connection is closed, nothing comes any more. It is said, and comes back by itself."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from studio_core.client import Client
from tests.house import house
from tests.tui import scene
from tests.tui.opened import opened
from tests.tui.stage import Stage

SILENCE_S = 1.5
SAID = "Studio does not answer"


class Relay:
    """The network between the app and Studio."""

    def __init__(self, port: int) -> None:
        argv = [sys.executable, str(Path(__file__).with_name("relay.py")), str(port)]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def swallow(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def carry(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Far(Stage):
    """A stage that is reached through a relay."""

    def start(self) -> None:
        self.relay = Relay(self.start_tcp())
        self.given = {"url": f"http://127.0.0.1:{self.relay.port}", "silence_s": SILENCE_S}

    def stop(self) -> None:
        self.relay.close()
        super().stop()


async def test_swallowed_packets_are_said_and_it_comes_back(tmp_path: Path) -> None:
    far = Far(tmp_path)
    scene.busy(far)
    async with opened(far, (100, 30)) as shown:
        relay = far.relay
        await shown.press("2")
        await shown.shows("Mistral Small", f"127.0.0.1:{relay.port}")
        # Pings alone are a sign of life.
        await shown.pilot.pause(1.5 * SILENCE_S)
        assert SAID not in shown.text
        relay.swallow()
        lost = time.monotonic()
        await shown.shows(SAID, "nothing was heard for 1.5 s", "below is what was last heard", "Mistral Small")
        # What was read just before, the tick, and a busy machine; TCP alone would say nothing for a quarter of an hour.
        assert time.monotonic() - lost < 2 * SILENCE_S + 20.0
        relay.carry()
        await shown.hides(SAID)
        await shown.shows("Mistral Small")


def test_the_real_controller_gives_signs_of_life_through_the_gateway(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        relay = Relay(home.port)
        try:
            key = home.root.joinpath("admin.key").read_text().strip()
            stream = Client(url=f"http://127.0.0.1:{relay.port}", key=key).events(silence=2 * SILENCE_S)
            began, lost = time.monotonic(), threading.Timer(3 * SILENCE_S, relay.swallow)
            lost.start()
            kinds = [event.event for event in stream]
            lost.join()
            assert stream.silent and "status" in kinds and time.monotonic() - began > 3 * SILENCE_S
        finally:
            relay.close()
