"""The shim's one loop: reaps, logs, answers, and stops the engine's tree when asked or when its first process is gone."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import selectors
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio_core.logs.segment import SegmentWriter
from studio_core.shim import process
from studio_core.shim.desk import Desk
from studio_core.shim.mask import Mask, secrets
from studio_core.supervisor import identity, tree
from studio_core.supervisor import record as records
from studio_core.supervisor.container import ANSWER_S, REFUSED, SIGNALLED, Container
from studio_core.supervisor.record import Exit, Record
from studio_core.supervisor.spec import Spec

PIPE_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024
TAIL_BYTES = 16 * 1024
TAIL_LINES = 60
# Children of an engine whose first process has ended get this long to end by themselves.
LINGER_S = 2.0
# A tree that cannot be ended is tried again this often.
STUCK_S = 5.0
# New members of the tree are noted at these distances, doubled up to the last.
SCAN_S, SCAN_MAX_S = 0.5, 10.0
# As many of the processes that cannot be ended are named.
LEFT = 64


class Shim:
    """Runs one engine from its spec until nothing of it is left."""

    def __init__(self, folder: Path, spec: Spec) -> None:
        me = os.getpid()
        self.spec = spec
        self.record = Record(spec.instance, me, identity.ticks(me) or 0, started_at=time.time())
        self._folder = folder
        self._log = SegmentWriter(folder / "log", spec.log_head_bytes, spec.log_segment_bytes, spec.log_segments)
        self._mask = Mask(secrets(spec))
        self._tail = b""
        self._selector = selectors.DefaultSelector()
        self._desk = Desk(folder / "shim.sock", self._selector, self._command)
        self._pipe = -1
        self._kill_at: float | None = None
        self._terminated = False
        self._stopper: int | None = None
        self._container = Container(spec.instance, folder, self._ask) if spec.container else None
        self._scan_at, self._scan_gap = 0.0, SCAN_S

    def announce(self) -> None:
        """The first record. Raises OSError: an engine whose record cannot be written is not started."""
        records.write(self._folder, self.record)

    def run(self) -> None:
        self._wire_signals()
        self._start()
        while not self._over():
            for key, _ in self._selector.select(self._pause()):
                key.data(key.fileobj)
            if self._terminated:
                self._terminated = False
                self._stop(self.spec.grace_s)
            self._reap()
            self._act()
        self._finish()

    # Start.

    def _wire_signals(self) -> None:
        wake, waken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(waken, False)
        signal.set_wakeup_fd(waken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._terminate)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        self._selector.register(wake, selectors.EVENT_READ, lambda _: os.read(wake, 4096))

    def _terminate(self, *_: Any) -> None:
        # Only noted: a handler may interrupt the very write of the record that a stop needs.
        self._terminated = True

    def _start(self) -> None:
        self._pipe, output = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.record.log_pipe = os.fstat(output).st_ino
        pid, error = process.spawn(self.spec.argv, self.spec, output)
        os.close(output)
        os.set_blocking(self._pipe, False)
        self._selector.register(self._pipe, selectors.EVENT_READ, lambda _: self._read_log())
        start = identity.ticks(pid) or 0
        self.record.engine_pid, self.record.engine_ticks, self.record.session = pid, start, pid
        self.record.seen = [(pid, start)]
        self.record.state = records.RUNNING
        if error:
            self.record.error = f"cannot execute {self.spec.argv[0]}: {error}"
            self._write_log(self.record.error.encode() + b"\n")
        self._note()

    # The log.

    def _read_log(self) -> bool:
        try:
            data = os.read(self._pipe, READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._write_log(data)
        else:
            self._keep(self._mask.rest())
            self._selector.unregister(self._pipe)
            os.close(self._pipe)
            self._pipe = -1
        return bool(data)

    def _drain(self) -> None:
        """What is in the pipe now, and no more: whoever still floods it must not keep us from ending him."""
        for _ in range(PIPE_BYTES // READ_BYTES + 1):
            if self._pipe < 0 or not self._read_log():
                return

    def _write_log(self, data: bytes) -> None:
        self._keep(self._mask.feed(data))

    def _keep(self, data: bytes) -> None:
        self._log.write(data)
        self._tail = (self._tail + data)[-TAIL_BYTES:]

    # What is asked of us.

    def _command(self, command: dict[str, Any]) -> None:
        """Raises ValueError or KeyError for a command that makes no sense."""
        actions = {
            "stop": lambda: self._stop(float(command.get("grace", self.spec.grace_s))),
            "kill": lambda: self._stop(0.0),
            "signal": lambda: self._signal(int(command["signal"])),
        }
        actions[command["cmd"]]()

    def _signal(self, number: int) -> None:
        record = self.record
        if record.exit is None and record.engine_pid is not None:
            identity.signal(record.engine_pid, record.engine_ticks or 0, number)

    def _stop(self, grace: float) -> None:
        """SIGTERM to the first process only, engines clean up their own; after the grace the whole tree is killed.

        The recipe's own command comes in place of SIGTERM, which follows where that command fails.
        """
        if not 0.0 <= grace < float("inf"):
            raise ValueError(f"a grace of {grace} s")
        if self.record.state == records.RUNNING:
            self.record.state, self.record.asked = records.STOPPING, True
            self._stopper = self._run_stop_command(grace)
            if self._stopper is None:
                self._signal(signal.SIGTERM)
            self._note()
        at = time.monotonic() + grace
        self._kill_at = at if self._kill_at is None else min(self._kill_at, at)

    def _run_stop_command(self, grace: float) -> int | None:
        """The pid of the recipe's own command, its output in the log; None where there is none to wait for."""
        if not self.spec.stop_command:
            return None
        places = {"{pid}": str(self.record.engine_pid), "{port}": str(self.spec.port), "{grace}": str(math.ceil(grace))}
        argv = [_filled(word, places) for word in self.spec.stop_command]
        log = f"/proc/self/fd/{self._pipe}" if self._pipe >= 0 else os.devnull
        output = os.open(log, os.O_WRONLY | os.O_CLOEXEC)
        try:
            pid, error = process.spawn(argv, self.spec, output)
        finally:
            os.close(output)
        if error:
            self._write_log(f"cannot execute the stop command {argv[0]}: {error}\n".encode())
        return pid

    # What happens.

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                if self.record.exit is None:
                    # Nobody is left to wait for and nobody told us how the engine ended.
                    self._exited(Exit())
                return
            if pid == 0:
                return
            if pid == self.record.engine_pid and self.record.exit is None:
                code = os.waitstatus_to_exitcode(status)
                self._exited(self._ending(code))
            elif pid == self._stopper and status:
                self._write_log(f"the stop command failed with {os.waitstatus_to_exitcode(status)}: SIGTERM follows\n".encode())
                self._signal(signal.SIGTERM)

    def _ending(self, code: int) -> Exit:
        """How the engine ended, by its exit code as Python has it; of a container the client tells, unless it was killed."""
        if self._container is None:
            return Exit(code=code) if code >= 0 else Exit(signal=-code)
        told = code if code >= 0 else self._container.exit_code()
        if told is not None and told > SIGNALLED:
            return Exit(signal=told - SIGNALLED)
        return Exit(code=told)

    def _exited(self, ending: Exit) -> None:
        self._drain()
        self.record.exit, self.record.exited_at = ending, time.time()
        self.record.state = records.CLEANING
        self.record.last_lines = self._tail.decode("utf-8", "replace").splitlines()[-TAIL_LINES:]
        linger = time.monotonic() + LINGER_S
        self._kill_at = linger if self._kill_at is None else min(self._kill_at, linger)
        self._note()

    def _act(self) -> None:
        now = time.monotonic()
        if self.record.state == records.CLEANING and not self._members() and not self._members():
            self._empty()
        elif self._kill_at is not None and now >= self._kill_at:
            self._end()
        elif now >= self._scan_at:
            self._scan(now)

    def _traits(self) -> tree.Traits:
        record = self.record
        session = (record.session or 0, record.engine_ticks or 0)
        return tree.Traits(record.instance, os.getpid(), session, record.log_pipe, record.seen)

    def _members(self) -> list[tree.Member]:
        return tree.find(self._traits())

    def _empty(self) -> None:
        if self._container is None:
            self.record.state = records.GONE
        else:
            self._end()

    def _end(self) -> None:
        left = tree.end(self._traits(), meanwhile=self._drain)
        self._reap()
        afloat = not left and not self._is_sunk()
        if left or afloat:
            self.record.state, self.record.left, self.record.afloat = records.STUCK, left[:LEFT], afloat
            self._kill_at = time.monotonic() + STUCK_S
            self._note()
        else:
            self.record.state = records.GONE

    def _is_sunk(self) -> bool:
        """Whether there is no container any more. A client that never ran, or was refused before it had an id, has made none."""
        never = self.record.error or self.record.exit == Exit(code=REFUSED)
        if self._container is None or (never and not self._container.id):
            return True
        return self._container.remove()

    def _ask(self, words: list[str]) -> tuple[int, str]:
        return process.ask([self.spec.container, *words], self.spec, ANSWER_S, self._drain)

    def _scan(self, now: float) -> None:
        """Note new members: they must be known when this shim cannot name them any more."""
        known = set(self.record.seen)
        found = {(one.pid, one.ticks) for one in self._members()}
        if found - known:
            self.record.seen = sorted(found, key=lambda one: one[1])
            self._scan_gap = SCAN_S
            self._note()
        self._scan_at = now + self._scan_gap
        self._scan_gap = min(self._scan_gap * 2, SCAN_MAX_S)

    def _pause(self) -> float:
        if self.record.state == records.CLEANING:
            return 0.05
        times = [self._scan_at] + ([self._kill_at] if self._kill_at is not None else [])
        return max(0.0, min(times) - time.monotonic())

    def _over(self) -> bool:
        return self.record.state == records.GONE

    def _note(self) -> None:
        """Write the record and tell whoever watches."""
        self.record.log_offset, self.record.log_dropped = self._log.offset, self._log.dropped
        with contextlib.suppress(OSError):
            records.write(self._folder, self.record)
        self._desk.tell(records.encode(self.record).split(b" ", 1)[1])

    def _finish(self) -> None:
        self._drain()
        self._keep(self._mask.rest())
        self._log.close()
        self._note()
        self._desk.close()


def _filled(word: str, places: Mapping[str, str]) -> str:
    """The word with its placeholders filled in; other braces are its own."""
    for name, value in places.items():
        word = word.replace(name, value)
    return word
