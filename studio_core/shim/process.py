"""The engine's first process, and the one that stops it: forked and exec'ed to die with the shim, a failed exec told apart."""

from __future__ import annotations

import ctypes
import os
import signal

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


def spawn(argv: list[str], spec: Spec, output: int) -> tuple[int, str]:
    """Start a program in the engine's environment, with `output` as stdout and stderr, in a session of its own.

    Returns its pid and, when it could not be executed, why; it then ends with 127.
    """
    told, tell = os.pipe()
    shim = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become(argv, spec, output, shim)
        except (OSError, ValueError) as error:
            os.write(tell, str(getattr(error, "strerror", None) or error).encode())
        finally:
            os._exit(127)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        return pid, pipe.read().decode()


def _become(argv: list[str], spec: Spec, output: int, shim: int) -> None:
    os.setsid()
    # The kernel ends the engine when we die, unless we died before it knew.
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != shim:
        os._exit(127)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.dup2(output, 1)
    os.dup2(output, 2)
    _enter(spec.cwd)
    os.execvpe(argv[0], argv, spec.env)


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise OSError(error.errno, f"the working directory {folder}: {error.strerror}") from error
