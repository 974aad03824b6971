"""The runner: reads llama-server's arguments, loads, serves, ends on SIGTERM with status 0.

llama.cpp's own log lines go to stderr unchanged. While the model loads, xllamacpp holds the interpreter's lock, so
signals keep their default effect until then: SIGTERM ends the process at once, by signal.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from studio_core.engines.llamaserver.flag import HELP, TABLE, VERSION, Flag

# llama-server's own choice where nobody says how many slots.
AUTO_SLOTS = 4


class Refused(Exception):
    """An argument that cannot be taken; the text is llama-server's."""


def assignments(argv: Sequence[str], environ: Mapping[str, str]) -> list[tuple[Flag, Any]]:
    """What to set, in order: environment variables, then arguments, which win.

    Raises:
        Refused: an unknown argument, a missing or a wrong value.
    """
    found = [(flag, _value(flag, flag.names[-1], environ[flag.env]))
             for flag in TABLE if flag.env and environ.get(flag.env)]
    words = iter(argv)
    for word in words:
        # llama-server reads --foo_bar as --foo-bar.
        name = word.replace("_", "-") if word.startswith("--") else word
        flag = next((flag for flag in TABLE if name in flag.names or name in flag.negated), None)
        if flag is None:
            raise Refused(f"error: invalid argument: {word}")
        found.append((flag, _switch(flag, name) if flag.read is None else _value(flag, name, next(words, None))))
    return found


def _switch(flag: Flag, name: str) -> Any:
    return flag.on if name in flag.names else flag.off


def _value(flag: Flag, name: str, text: str | None) -> Any:
    if text is None:
        raise Refused(f'error while handling argument "{name}": expected value for argument')
    if flag.read is None:
        return _switch(flag, flag.names[0])
    try:
        return flag.read(text)
    except (ValueError, AttributeError, OSError) as error:
        raise Refused(f'error while handling argument "{name}": {error}') from error


def parameters(found: Sequence[tuple[Flag, Any]]) -> Any:
    """xllamacpp's CommonParams with llama-server's defaults and these values."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.port, params.n_parallel = 8080, -1
    for flag, value in found:
        *path, name = flag.field.split(".")
        target = reduce(getattr, path, params)
        setattr(target, name, [*getattr(target, name), *value] if flag.adds else value)
    params.timeout_write = params.timeout_read
    if params.n_parallel < 1:
        params.n_parallel, params.kv_unified = AUTO_SLOTS, True
    return params


def serve(params: Any) -> int:
    """Load, then serve until SIGTERM or SIGINT, which end this process with status 0. Returns only on failure."""
    import xllamacpp

    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        return 1  # llama.cpp has said why
    # Python's own handlers run between bytecodes of the main thread; the descriptor wakes its read at once.
    wake, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    wake.recv(1)
    # Not through the server's destructor: with a stream in flight it waits 30 s for the next ping (measured).
    print(f"stopping {server.listening_address}", file=sys.stderr, flush=True)
    os._exit(0)


def main(argv: Sequence[str]) -> int:
    if any(word in HELP for word in argv):
        print("llama.cpp's server, with these of llama-server's flags:\n")
        print(f"{', '.join(HELP):<40} print this and exit\n{VERSION[0]:<40} print the version and exit")
        print("\n".join(f"{flag.left:<40} {flag.text}" for flag in TABLE))
        return 0
    try:
        if any(word in VERSION for word in argv):
            import xllamacpp

            print(f"xllamacpp {xllamacpp.__version__}")
            return 0
        params = parameters(assignments(argv, os.environ))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    if not params.model.path:
        print("error: --model is required", file=sys.stderr)
        return 1
    return serve(params)


if __name__ == "__main__":
    # A normal exit: llama.cpp's log is written by a thread that only its own teardown waits for, and on a failure
    # the last lines are the cause.
    sys.exit(main(sys.argv[1:]))
