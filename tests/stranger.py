"""Another user of this machine: commands under a second uid, with an interpreter and code that it can reach."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.command import Command

ROOT = Path(__file__).parents[1]
UID = 65533


class Stranger:
    """Runs commands as `uid`. `python` is an interpreter that it may execute, `path` where its modules are."""

    def __init__(self, python: Path, path: Sequence[Path], uid: int = UID) -> None:
        self.uid = uid
        self.python = python
        self.environ = {
            "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent", "PYTHONPATH": os.pathsep.join(map(str, path)),
            "LD_LIBRARY_PATH": str(python.parents[1] / "lib"),
        }
        self.become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.become, *argv], env=self.environ, cwd="/", capture_output=True, text=True, timeout=60, check=False
        )

    def command(self, root: Path, *options: str) -> Command:
        """`studio ...` as this user."""
        found = Command(root, *options)
        found.argv = [*self.become, str(self.python), "-m", "studio_core", "--state", str(root), *options]
        found.environ = self.environ
        return found

    def own(self, folder: Path, mode: int = 0o700) -> Path:
        """Make a folder of this user."""
        folder.mkdir(exist_ok=True)
        os.chown(folder, self.uid, self.uid)
        folder.chmod(mode)
        return folder


@contextlib.contextmanager
def stranger() -> Iterator[Stranger]:
    """The interpreter and everything it imports from are mounted where a second uid can get at them, and unmounted again."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("a second uid needs root and setpriv")
    # An environment that lies in our folder is one of them: who gets it mounted there does not have it on its path.
    others = (Path(one) for one in sys.path if one and Path(one).is_dir() and not _inside(one, sys.base_prefix))
    folders = [ROOT, *(one for one in others if one != ROOT)]
    reach = Path(tempfile.mkdtemp(prefix="reach-"))
    reach.chmod(0o755)
    mounted: list[Path] = []
    try:
        for number, folder in enumerate([Path(sys.base_prefix), *folders]):
            target = reach / str(number)
            target.mkdir()
            done = subprocess.run(["mount", "--bind", folder, target], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
            mounted.append(target)
        python = mounted[0] / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        found = Stranger(python, mounted[1:])
        done = found.run(str(python), "-c", "import studio_core.controller.graph")
        assert done.returncode == 0, done.stderr
        yield found
    finally:
        for target in mounted:
            subprocess.run(["umount", "--lazy", target], check=True)
        # Never a recursive removal: what was mounted here is everything we have.
        for target in (*reach.iterdir(), reach):
            target.rmdir()


def _inside(path: str, root: str) -> bool:
    return Path(path) == Path(root) or Path(root) in Path(path).parents
