"""Where everything lies, found from the state directory alone."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from studio_core.errors import StateError

# The kernel's limit for a Unix socket's path is 107 bytes; longer ones are reached through /proc/self/fd.
SOCKET_PATH_LIMIT = 100


def machine_id() -> str:
    """The machine's id (machine-id(5)), or its host name where there is none."""
    for name in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text:
            return text
    return socket.gethostname()


def default_state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """The XDG state directory's `vllm-studio/<machine id>`."""
    environ = os.environ if environ is None else environ
    base = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME") or str(Path.home()), ".local", "state")
    return Path(base) / "vllm-studio" / machine_id()


def cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where fetched files are kept: the XDG cache directory's `vllm-studio`."""
    environ = os.environ if environ is None else environ
    base = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME") or str(Path.home()), ".cache")
    return Path(base) / "vllm-studio"


def engine_environment(engine: str, environ: Mapping[str, str] | None = None) -> Path:
    """Where `studio engines install` puts an engine's own environment."""
    return cache_dir(environ) / "engines" / engine


def shipped(name: str) -> Path:
    """The folder `config` or `styles`, in a wheel (beside the packages' code) or in a checkout."""
    package = Path(__file__).parent if name == "config" else Path(__file__).parent.parent / "studio_tui"
    inside = package / f"_{name}"
    return inside if inside.is_dir() else Path(__file__).parent.parent / name


def daemon_environment() -> dict[str, str]:
    """Our environment with the place of this code, so that a daemon from a checkout finds it from any folder."""
    root = str(Path(__file__).parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


class Places(NamedTuple):
    """The files and folders of one state directory."""

    root: Path

    @property
    def controller_lock(self) -> Path:
        return self.root / "controller.lock"

    @property
    def controller_json(self) -> Path:
        return self.root / "controller.json"

    @property
    def control_socket(self) -> Path:
        return self.root / "control.sock"

    @property
    def gateway_socket(self) -> Path:
        """HTTP from the gateway, with the caller's principal in a header."""
        return self.root / "gateway.sock"

    @property
    def link_socket(self) -> Path:
        """The route table's link, dialled by gateways."""
        return self.root / "link.sock"

    @property
    def table(self) -> Path:
        """The gateway's last route table, from which it starts alone."""
        return self.root / "table.json"

    @property
    def down(self) -> Path:
        """Exists after `studio down`: nobody restarts the controller by himself."""
        return self.root / "down"

    @property
    def reserve(self) -> Path:
        """Room on disk that is given up when a controller starts on a full one."""
        return self.root / "reserve"

    @property
    def admin_key(self) -> Path:
        return self.root / "admin.key"

    @property
    def attached(self) -> Path:
        """Foreign engines that the gateway serves, with their keys."""
        return self.root / "attached.json"

    @property
    def instances(self) -> Path:
        """One folder per engine that runs or left something behind."""
        return self.root / "instances"

    @property
    def history(self) -> Path:
        """The folders of engines that are gone: record and log."""
        return self.root / "history"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def logs(self) -> Path:
        """Logs of the daemons."""
        return self.root / "logs"

    def instance(self, instance_id: str) -> Path:
        return self.instances / instance_id

    def create(self) -> None:
        """Make the folders, 0700.

        Raises:
            StateError: not ours, open to others, not writable, or on a network file system.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.check()
            for folder in (self.instances, self.history, self.journal, self.logs):
                folder.mkdir(mode=0o700, exist_ok=True)
                _check_writable(folder, "the folder")
        except OSError as error:
            raise StateError(
                f"cannot create the state directory {self.root}", error.strerror or str(error),
                "choose one you may write with VLLM_STUDIO_DATA_DIR",
            ) from error

    def check_owner(self, but_root: bool = False) -> None:
        """Refuse a state directory of somebody else; with `but_root` root may look. One that is not there is nobody's.

        Raises:
            StateError: it is another user's, or lies where we may not look.
        """
        hint = "choose your own with VLLM_STUDIO_DATA_DIR"
        try:
            owner = self.root.stat().st_uid
        except PermissionError as error:
            raise StateError(f"the state directory {self.root} cannot be reached", error.strerror or str(error), hint) from error
        except OSError:
            return
        if owner != os.getuid() and not (but_root and os.getuid() == 0):
            raise StateError(f"the state directory {self.root} belongs to uid {owner}", f"this is uid {os.getuid()}", hint)

    def check(self) -> None:
        """Refuse a state directory that others could change or that locks do not work on. Raises StateError, OSError."""
        self.check_owner()
        info = self.root.stat()
        if info.st_mode & 0o077:
            raise StateError(
                f"the state directory {self.root} is open to other users",
                f"its mode is {info.st_mode & 0o777:04o}", f"run: chmod 700 {self.root}",
            )
        _check_writable(self.root, "the state directory")
        kind = filesystem(self.root)
        if kind in NETWORK_FILESYSTEMS:
            raise StateError(
                f"the state directory {self.root} is on a network file system ({kind})",
                "locks and SQLite are not safe there",
                "set VLLM_STUDIO_DATA_DIR to a folder on a local disk",
            )


def _check_writable(folder: Path, what: str) -> None:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        mode = folder.stat().st_mode & 0o777
        raise StateError(f"{what} {folder} is not writable", f"its mode is {mode:04o}", f"run: chmod 700 {folder}")


NETWORK_FILESYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "ceph", "glusterfs", "9p", "afs",
                                 "beegfs", "gpfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.juicefs"})


def filesystem(path: Path) -> str:
    """The type of the file system that holds `path`, from /proc/self/mountinfo; empty where that is not to be had."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    target = str(path.resolve())
    for line in lines:
        fields, _, tail = line.partition(" - ")
        mount = fields.split()[4].replace("\\040", " ")
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, tail.split()[0]
    return kind


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """An address for `path` that the kernel takes, however long the path is. Valid inside the block only."""
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect(path: Path, timeout: float | None = None) -> socket.socket:
    """A connected stream socket. Raises OSError as connect(2) does."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(timeout)
        with socket_address(path) as address:
            link.connect(address)
    except BaseException:
        link.close()
        raise
    return link


def peer_uid(link: socket.socket) -> int:
    """Who made the other end of a Unix socket (SO_PEERCRED: pid, uid, gid as three ints, unix(7))."""
    packed = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", packed)[1])


def listen(path: Path, backlog: int = 128) -> socket.socket:
    """A listening stream socket with mode 0600 from its first moment; a stale one is replaced.

    The caller holds the lock that makes it the only listener.
    """
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        with socket_address(path) as address:
            server.bind(address)
        server.listen(backlog)
    except BaseException:
        server.close()
        raise
    finally:
        os.umask(mask)
    return server
