"""The engine's first process: forked and exec'ed so that it dies with the shim, and told apart from a failed exec."""

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


def spawn(spec: Spec, output: int) -> tuple[int, OSError | None]:
    """Start the engine with `output` as stdout and stderr, in a session of its own. The error is that of a failed exec."""
    told, tell = os.pipe()
    shim = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become(spec, output, shim)
        except OSError as error:
            os.write(tell, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        failed = pipe.read()
    return pid, OSError(int(failed), os.strerror(int(failed))) if failed else None


def _become(spec: Spec, output: int, shim: int) -> None:
    os.setsid()
    # The kernel ends the engine when we die, unless we died before it knew.
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != shim:
        os._exit(127)
    for number in (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(spec.cwd)
    os.execvpe(spec.argv[0], spec.argv, spec.env)
