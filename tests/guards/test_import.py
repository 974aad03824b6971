"""Which way imports go, and what each process loads: read from the interpreter that loaded it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guards import source

HEAVY = {"textual", "rich", "mcp", "starlette", "uvicorn", "httpx", "httpcore", "anyio", "pydantic", "prometheus_client", "openai",
         "sqlite3", "aiosqlite", "yaml", "xllamacpp", "pynvml", "psutil"}
# Start → what it loads must not be in. The shim's row is checked apart: it loads the standard library and ours only.
FORBIDDEN = {
    "import studio_core.gateway.__main__":
        HEAVY | {"studio_core.controller", "studio_core.store", "studio_core.settings", "studio_core.engines", "studio_tui"},
    "import studio_core.gpu.probe":
        HEAVY - {"psutil", "pynvml"} | {"asyncio", "msgspec", "ssl", "studio_core.controller", "studio_core.settings"},
    "from studio_core.cli.__main__ import main; main(['--state', '/nowhere', 'status'])":
        HEAVY | {
            "asyncio", "typing_extensions", "studio_tui", "studio_core.controller", "studio_core.store", "studio_core.engines",
        },
    "import studio_core.cli.__main__ as main; main._light(); import studio_core.cli.status":
        HEAVY | {"dataclasses", "inspect", "ast"},
    "import studio_tui.__main__, studio_tui.app, studio_tui.screens.dashboard":
        HEAVY - {"textual", "rich"} | {
            "studio_core.controller", "studio_core.supervisor.service", "studio_core.store", "studio_core.gateway",
            "studio_core.engines", "studio_core.chat", "studio_core.usage", "studio_core.metrics",
        },
}
SHIM = "import studio_core.shim.program"
LIST = "\nimport json, sys; sys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))"


def loaded(start: str) -> set[str]:
    """The names in sys.modules of a fresh interpreter after `start`."""
    argv = [sys.executable, "-c", start + LIST]
    done = subprocess.run(argv, cwd=source.ROOT, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("start", FORBIDDEN)
def test_a_process_does_not_load_what_it_does_not_need(start: str) -> None:
    assert loaded(start) & FORBIDDEN[start] == set()


def test_the_app_compiles_no_class_at_its_start() -> None:
    """A dataclass takes one to two milliseconds; what is a `Struct` or a `Letter` takes none."""
    paths = (source.ROOT / "studio_tui").rglob("*.py")
    assert [str(path) for path in paths if "from dataclasses" in path.read_text(encoding="utf-8")] == []


def test_the_shim_loads_the_standard_library_and_ours_only() -> None:
    new = {name.split(".")[0] for name in loaded(SHIM) - loaded("pass")}
    assert new - sys.stdlib_module_names == {"studio_core"}
    assert new & {"asyncio", "concurrent", "ssl", "sqlite3", "http", "email", "logging"} == set()


def test_the_contracts_of_imports_hold() -> None:
    code = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=source.ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_a_checkout_is_what_is_tested() -> None:
    import studio_core

    assert Path(studio_core.__file__ or "").is_relative_to(source.ROOT)
