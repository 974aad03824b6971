"""Models are made by many threads at once, from the first moment on."""

from __future__ import annotations

import subprocess
import sys

import pytest

# In an interpreter that has never seen the models, with threads that take turns as often as they can.
RACE = """
import sys, threading
from studio_core import wire
from studio_core.wire.parse import convert, decode
import msgspec
status = wire.Status(running=False, process=None, inference_port=1, launching=None)
jobs = [(decode, msgspec.json.encode(status), wire.Status), (decode, msgspec.json.encode(wire.Gpus()), wire.Gpus),
        (convert, wire.to_builtins(status), wire.Status)]
barrier = threading.Barrier(6)
sys.setswitchinterval(1e-7)
def work(read, data, kind):
    barrier.wait()
    read(data, kind)
threads = [threading.Thread(target=work, args=job) for job in jobs * 2]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


@pytest.mark.parametrize("turn", range(3))
def test_the_first_use_of_a_model_may_be_in_several_threads(turn: int) -> None:
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
