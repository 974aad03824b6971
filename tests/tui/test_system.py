"""The System room: its four parts, changing a setting, making and revoking keys, a new start."""

from __future__ import annotations

from pathlib import Path

from tests.tui import scene
from tests.tui.opened import Opened, opened, stage_in
from tests.tui.stage import Stage
from tests.wait import eventually


def filled(folder: Path, **given: object) -> Stage:
    stage = stage_in(folder)
    scene.busy(stage)
    stage.given = given
    return stage


async def told(shown: Opened, text: str) -> None:
    """A toast may be gone on a busy machine; the list of notices keeps it."""
    await eventually(lambda: any(text in one.text for one in shown.app.notices), what=text)


async def test_processes_are_a_tree_with_pids_and_versions(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (100, 30)) as shown:
        await shown.press("9")
        await shown.shows("gateway", "902", "controller", "901", "probe", "shim of SmolLM2 135M", "41233")
        await shown.shows("clients \u2192 127.0.0.1:8080")
        await shown.press("R")
        await shown.shows("Start the controller anew")
        await shown.press("y")
        await eventually(lambda: shown.stage.wanted("POST", "/restart"))
        await told(shown, "engines and streams go on")


async def test_a_setting_is_changed_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (100, 30)) as shown:
        await shown.press("9", "right_square_bracket")
        await shown.shows("exclusive", "environment VLLM_STUDIO_PORT")
        await shown.press("down", "enter")
        await shown.shows("Setting port", "a port from 0 to 65535")
        await shown.press(*"99999", "enter")
        await shown.shows("bad value")
        assert not shown.stage.wanted("PUT", "/settings")
        await shown.press("ctrl+u", *"9000", "enter")
        await eventually(lambda: ("PUT", "/settings", {"changes": {"port": 9000}, "expected": {"port": None}}) in shown.stage.asked)
        await told(shown, "still says otherwise")
        await shown.press("down", "down", "d")
        gone = {"changes": {"exclusive": None}, "expected": {"exclusive": False}}
        await eventually(lambda: ("PUT", "/settings", gone) in shown.stage.asked)


async def test_what_somebody_else_stored_meanwhile_is_shown_before_it_is_replaced(tmp_path: Path) -> None:
    stage = filled(tmp_path)
    port = stage.settings_shown[1]
    async with opened(stage, (100, 30)) as shown:
        await shown.press("9", "right_square_bracket", "down", "enter")
        await shown.shows("Setting port")
        port.stored = 7777
        await shown.press("ctrl+u", *"9000", "enter")
        await shown.shows("Somebody changed port", "stored now  7777", "yours       9000")
        await shown.press("n")
        await shown.hides("Somebody changed port")
        assert port.stored == 7777
        await shown.press("enter", "ctrl+u", *"9001", "enter")
        await eventually(lambda: port.stored == 9001)
        await shown.press("enter")
        await shown.shows("Setting port")
        port.stored = 7778
        await shown.press("ctrl+u", *"9002", "enter")
        await shown.shows("yours       9002")
        await shown.press("y")
        await eventually(lambda: port.stored == 9002)


async def test_a_key_is_made_shown_once_and_revoked_by_name(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (100, 30)) as shown:
        await shown.press("9", "right_square_bracket", "right_square_bracket")
        await shown.shows("open-webui", "admin (admin.key)")
        await shown.press("n")
        await shown.shows("A new key")
        await shown.press("enter", "enter")
        await shown.shows("give it a name")
        await shown.press("up")
        shown.app.screen.query("Input").first().focus()
        await shown.press(*"bot", "enter", "enter")
        await shown.shows("sk-the-new-key", "not shown again")
        assert ("POST", "/keys", {"name": "bot", "scopes": ["inference", "read"]}) in shown.stage.asked
        await shown.press("escape", "down", "d")
        await shown.shows("Revoke the key open-webui (inference, read)?")
        await shown.press("y")
        await shown.hides("open-webui")


async def test_the_doctor_says_what_to_do(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (60, 20)) as shown:
        await shown.press("9", "left_square_bracket")
        await shown.shows("/dev/shm has 64 MiB", "a logout ends Studio")
        await shown.press("end")
        await shown.shows("do: mount -o remount")


async def test_read_only_shows_all_and_changes_nothing(tmp_path: Path) -> None:
    async with opened(filled(tmp_path, read_only=True), (100, 30)) as shown:
        await shown.press("9", "right_square_bracket")
        await shown.shows("exclusive")
        await shown.press("enter", "d", "R", "right_square_bracket", "n", "d")
        await shown.shows("open-webui")
        assert not [verb for verb, *_ in shown.stage.asked if verb != "GET"]
