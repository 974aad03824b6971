"""The engine's first process, and the one that stops it: forked and exec'ed to die with the shim, a failed exec told apart."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from collections.abc import Callable

from studio_core.supervisor.spec import Spec

# prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def become_subreaper() -> None:
    """Orphans below us become our children instead of init's."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def spawn(argv: list[str], spec: Spec, output: int, errors: int | None = None) -> tuple[int, str]:
    """Start a program in the engine's environment, with `output` as stdout and stderr, in a session of its own.

    Returns its pid and, when it could not be executed, why; it then ends with 127.
    """
    told, tell = os.pipe()
    shim = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become(argv, spec, (output, output if errors is None else errors), shim)
        except (OSError, ValueError) as error:
            os.write(tell, str(getattr(error, "strerror", None) or error).encode())
        finally:
            os._exit(127)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        return pid, pipe.read().decode()


def ask(argv: list[str], spec: Spec, patience: float, meanwhile: Callable[[], None]) -> tuple[int, str]:
    """Run a program to its end: its exit code and what it printed; 124 when that took more than `patience` seconds.

    It is reaped here and nowhere else. `meanwhile` is called again and again.
    """
    got, give = os.pipe()
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    pid, _ = spawn(argv, spec, give, null)
    os.close(give)
    os.close(null)
    text, deadline, status = b"", time.monotonic() + patience, 0
    open_end, running = True, True
    while (open_end or running) and time.monotonic() < deadline:
        meanwhile()
        if open_end and select.select([got], [], [], 0.02)[0]:
            piece = os.read(got, 65536)
            text, open_end = text + piece, bool(piece)
        elif not open_end:
            time.sleep(0.005)
        if running:
            done, status = os.waitpid(pid, os.WNOHANG)
            running = done == 0
    os.close(got)
    if running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return 124, ""
    return os.waitstatus_to_exitcode(status), text.decode("utf-8", "replace")


def _become(argv: list[str], spec: Spec, outputs: tuple[int, int], shim: int) -> None:
    os.setsid()
    # The kernel ends the engine when we die, unless we died before it knew.
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != shim:
        os._exit(127)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.dup2(outputs[0], 1)
    os.dup2(outputs[1], 2)
    _enter(spec.cwd)
    os.execvpe(argv[0], argv, spec.env)


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise OSError(error.errno, f"the working directory {folder}: {error.strerror}") from error
