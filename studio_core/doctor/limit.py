"""What the kernel grants: shared memory and open files."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

from studio_core.doctor.finding import OK, WARN, Finding
from studio_core.doctor.subject import Subject

GIB = 1024**3
# Workers of one model exchange tensors there; containers get 64 MiB unless told otherwise.
SHARED_BYTES = GIB
# One stream through the gateway is two sockets, and 1,000 streams at once are the aim. It takes what may be had.
HARD = 16384


def shared_memory(subject: Subject) -> Iterator[Finding]:
    path = subject.root / "dev/shm"
    try:
        info = os.statvfs(path)
    except OSError as error:
        yield Finding("shared memory", WARN, f"{path}: {error.strerror}", "engines with several workers need it",
                      f"mount -t tmpfs tmpfs {path}")
        return
    size = info.f_blocks * info.f_frsize
    if size < SHARED_BYTES:
        yield Finding("shared memory", WARN, f"{path} has {size / GIB:.2f} GiB", "engines with several workers need more",
                      "a container: --shm-size=16g or --ipc=host; else: mount -o remount,size=50% /dev/shm")
    else:
        yield Finding("shared memory", OK, f"{path} has {size / GIB:.1f} GiB")


def open_files(subject: Subject) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = float("inf") if hard == resource.RLIM_INFINITY else hard
    if most >= HARD:
        yield Finding("open files", OK, f"{soft} open files, at most {most}")
    else:
        yield Finding("open files", WARN, f"{soft} open files, at most {most}", "each stream through the gateway needs two",
                      f"ulimit -Hn {HARD}, or LimitNOFILE in the service (studio service install)")
