"""TLS on the listener: certificate and key from files, taken again when they change. Bad ones are said, and the last good stay."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from pathlib import Path

from studio_core.errors import BadSetting

# How often the files are looked at. They count as changed when two looks saw the same: nobody is halfway through writing them.
LOOK_S = 1.0
HANDSHAKE_S = 10.0
Stamp = tuple[tuple[int, int, int], ...]

log = logging.getLogger(__name__)


class Certificate:
    """The context of every handshake. `problem` says why the files as they are now are not in use.

    Raises:
        BadSetting: they cannot be used; at the beginning there is no last good one.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self.problem = ""
        self._files = (certificate, key)
        self._taken = self._seen = stamp(self._files)
        self.context = context()
        load(self.context, *self._files)

    def look(self) -> None:
        """Take the files again when they changed and have settled. Connections that are open keep what they have."""
        now = stamp(self._files)
        settled, self._seen = now == self._seen, now
        if now == self._taken or not settled:
            return
        self._taken = now
        try:
            load(self.context, *self._files)
        except BadSetting as error:
            self.problem = str(error)
            log.error("the certificate in use stays: %s", error.line())
        else:
            self.problem = ""
            log.info("a new certificate is in use: %s", self._files[0])

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()


def arguments(certificate: str, key: str, root: Path) -> list[str]:
    """The gateway's arguments for these settings, empty without TLS; relative paths are of the state directory.

    Raises:
        BadSetting: the files cannot be used.
    """
    if not certificate:
        if key:
            raise BadSetting("tls_key without tls_cert", key, "name the certificate too, or neither")
        return []
    files = (root / Path(certificate).expanduser(), root / Path(key or certificate).expanduser())
    load(context(), *files)
    return ["--tls", *map(str, files)]


def context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    return made


def load(into: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Both or neither: they are tried in another context first, from the same bytes.

    Raises:
        BadSetting: which file, and what is wrong with it.
    """
    read = [_read(certificate, "tls_cert"), _read(key, "tls_key")]
    handles = [os.memfd_create("tls", os.MFD_CLOEXEC) for _ in read]
    try:
        for handle, data in zip(handles, read, strict=True):
            os.write(handle, data)
        paths = [f"/proc/self/fd/{handle}" for handle in handles]
        for one in (context(), into):
            # Without a password of its own the library would ask for one on the terminal.
            one.load_cert_chain(paths[0], paths[1], password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        raise _unusable(certificate, key, error) from error
    finally:
        for handle in handles:
            os.close(handle)


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadSetting(f"{setting} cannot be read", f"{path}: {error.strerror}", "name a PEM file that you may read") from error


def _unusable(certificate: Path, key: Path, error: Exception) -> BadSetting:
    reason = getattr(error, "reason", None) or str(error)
    if reason == "KEY_VALUES_MISMATCH":
        return BadSetting(
            "tls_key is not the key of tls_cert", f"{key} and {certificate}", "name the key that the certificate was made for"
        )
    return BadSetting(
        "tls_cert and tls_key cannot be used", f"{certificate} and {key}: {reason}",
        "both in PEM: the certificate with its chain, the key without a password",
    )


def stamp(files: tuple[Path, ...]) -> Stamp:
    """What changes when a file does, through links too. A file that is not there has one of its own."""
    found = []
    for path in files:
        try:
            state = path.stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((state.st_ino, state.st_size, state.st_mtime_ns))
    return tuple(found)
