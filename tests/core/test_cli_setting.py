"""`studio settings`: with a controller, and where none can start."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core import setting_store, settings
from tests.command import Command
from tests.house import House, house


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="st-") as folder, house(Path(folder)) as found:
        yield found


@pytest.fixture
def studio(home: House) -> Command:
    """Who replaces the controller says its port too: the default's may be anybody's."""
    return Command(home.root, "--port", str(home.port))


def stored(root: Path) -> str:
    return (root / "studio.yaml").read_text(encoding="utf-8")


def test_a_change_goes_through_the_controller_and_says_when_it_holds(home: House, studio: Command) -> None:
    before = studio.data("settings", "show", "abandon_s")[0]
    assert (before["value"], before["origin"], before["stored"]) == (30.0, "default", None)
    said = studio.good("settings", "set", "abandon_s", "12")
    assert said.startswith("abandon_s stored as 12: ") and "studio up --replace" in said
    assert "abandon_s: 12\n" in stored(home.root)
    assert "30.0 (studio.yaml: 12)" in studio.good("settings", "show", "abandon_s")
    studio.good("up", "--replace")
    now = studio.data("settings", "show", "abandon_s")[0]
    assert (now["value"], now["origin"], now["pending"]) == (12.0, f"{home.root}/studio.yaml", False)
    assert studio.good("settings", "unset", "abandon_s").startswith("abandon_s taken out of studio.yaml: ")
    assert "abandon_s" not in stored(home.root)


def test_what_will_not_do_says_what_where_and_what_to_do(home: House, studio: Command) -> None:
    before = (home.root / "studio.yaml").read_bytes()
    for words, told in (
        (("set", "drain_s", "soon"), "bad value 'soon' for drain_s: in the command line (give a number above 0)"),
        (("set", "drian_s", "1"), "did you mean drain_s?"), (("set", "data_dir", "/x"), "set VLLM_STUDIO_DATA_DIR"),
        (("set", "drain_s"), "like: studio settings set drain_s 60"), (("unset",), "like: studio settings unset drain_s"),
        (("show",), "like: studio settings show drain_s"), (("unset", "drain_s", "1"), "like: studio settings unset drain_s"),
        (("set", "api_key", "***"), "give the whole value"),
    ):
        assert told in studio.bad("settings", *words), words
    assert "read-only" in Command(home.root, "--read-only").bad("settings", "set", "drain_s", "9")
    assert (home.root / "studio.yaml").read_bytes() == before


def test_the_environment_that_beats_the_file_is_named(home: House) -> None:
    # The controller's own environment has none: the one of who asks tells nothing about it.
    assert "environment" not in Command(home.root, VLLM_STUDIO_DRAIN_S="7").good("settings", "show", "drain_s")


def test_a_taken_port_is_mended_without_a_controller(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    studio = Command(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as spare:
        number, free = taken.getsockname()[1], spare.getsockname()[1]
        assert studio.good("settings", "set", "port", str(number)) == (
            f"port stored as {number}; it is {number}, set by {tmp_path}/studio.yaml\n"
        )
        assert "studio settings set port " in studio.bad("up")
        spare.close()
        studio.good("settings", "set", "port", str(free))
        try:
            assert f":{free}" in studio.good("up")
        finally:
            studio("down", "--engines")
    assert "does not run" not in studio.good("settings", "unset", "port")
    assert stored(tmp_path) == ""


def test_without_a_controller_nothing_is_started_to_look(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    studio = Command(tmp_path, VLLM_STUDIO_DRAIN_S="7")
    rows = {one["name"]: one for one in studio.data("settings")}
    assert list(rows) == [one.name for one in settings.TABLE]
    assert (rows["drain_s"]["value"], rows["drain_s"]["origin"]) == (7.0, "environment VLLM_STUDIO_DRAIN_S")
    assert "still says otherwise" in studio.good("settings", "set", "drain_s", "9")
    assert sorted(one.name for one in tmp_path.iterdir() if one.suffix == ".lock") == []


def test_a_secret_is_read_from_the_input_kept_as_written_and_never_shown(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    studio = Command(tmp_path)
    assert "0123" not in studio.good("settings", "set", "api_key", "-", said="0123\n")
    assert 'api_key: "0123"' in stored(tmp_path)
    assert "0123" not in studio.good("settings") + studio.good("settings", "show", "api_key", "--json")


@pytest.mark.parametrize(("name", "text", "value"), [
    ("api_key", "0123", "0123"), ("models_dir", "on", "on"), ("exclusive", "off", False), ("drain_s", "1.5", 1.5),
    ("engine_env", "{A: b}", {"A": "b"}), ("allowed_hosts", "a, b", "a, b"), ("allowed_hosts", "[a, b]", ["a", "b"]),
    ("drain_s", "[", "["), ("engine_env", "", ""),
])
def test_what_is_typed_is_what_the_setting_wants(name: str, text: str, value: object) -> None:
    assert setting_store.typed(name, text) == value
