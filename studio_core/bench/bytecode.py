"""What is measured has its bytecode, as after an installation: where nothing may write it, each start would be the compiler's."""

from __future__ import annotations

import compileall
import sysconfig
from pathlib import Path

from studio_core import bench


def ready() -> bool:
    """Compile Studio and what is installed beside it where that has changed; False where some of it cannot be."""
    ours = Path(bench.__file__).parents[2]
    folders = {ours / "studio_core", ours / "studio_tui", *(Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib"))}
    # Without `quiet` each folder is named; some packages carry examples that no version of Python compiles.
    return all([compileall.compile_dir(folder, quiet=2) for folder in sorted(folders) if folder.is_dir()])
