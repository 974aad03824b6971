"""Settings, keys, the doctor and a new start over the API, as the owner and as others."""

from __future__ import annotations

from pathlib import Path

from studio_core.store.key import ensure_admin_key
from tests.core.control import control

KEYS = "/keys"


async def test_a_setting_is_checked_stored_and_told(tmp_path: Path) -> None:
    async with control(tmp_path) as studio:
        file = studio.services.places.root / "studio.yaml"
        file.write_text("# mine\ndrain_s: 10  # short\n")
        answer = await studio.owner.put("/settings", json={"changes": {"drain_s": 20, "exclusive": False}})
        assert answer.status_code == 200
        assert file.read_text() == "# mine\ndrain_s: 20  # short\nexclusive: false\n"
        shown = {one["name"]: one for one in answer.json()}
        assert shown["exclusive"]["stored"] is False and shown["exclusive"]["value"] is True and shown["exclusive"]["pending"]
        assert shown["port"]["kind"] == "a port from 0 to 65535" and not shown["port"]["pending"]
        for bad, status in (({"port": 70000}, 400), ({"prot": 1}, 400), ({"data_dir": "/x"}, 422), ({}, 400)):
            refused = await studio.owner.put("/settings", json={"changes": bad})
            assert refused.status_code >= 400, (bad, status)
        assert "70000" not in file.read_text() and "prot" not in file.read_text()
        gone = await studio.owner.put("/settings", json={"changes": {"exclusive": None}})
        assert gone.status_code == 200 and "exclusive" not in file.read_text()


async def test_two_people_who_change_one_setting_are_told(tmp_path: Path) -> None:
    async with control(tmp_path) as studio:
        file = studio.services.places.root / "studio.yaml"
        file.write_text("drain_s: 10\n")
        first = {"changes": {"drain_s": 20}, "expected": {"drain_s": 10}}
        assert (await studio.owner.put("/settings", json=first)).status_code == 200
        late = await studio.owner.put("/settings", json={"changes": {"drain_s": 30}, "expected": {"drain_s": 10}})
        assert (late.status_code, late.json()["code"]) == (409, "setting_changed")
        assert "says 20 now, it said 10" in late.json()["detail"] and file.read_text() == "drain_s: 20\n"
        beside = {"changes": {"exclusive": False}, "expected": {"exclusive": None}}
        assert (await studio.owner.put("/settings", json=beside)).status_code == 200
        again = {"changes": {"drain_s": None}, "expected": {"drain_s": 20}}
        assert (await studio.owner.put("/settings", json=again)).status_code == 200
        assert (await studio.owner.put("/settings", json=again)).status_code == 409
        assert file.read_text() == "exclusive: false\n"


async def test_stars_are_never_stored_for_what_they_hide(tmp_path: Path) -> None:
    async with control(tmp_path) as studio:
        for name, value in (("engine_env", {"TOKEN": "***"}), ("redis_url", "redis://***@h/0"), ("api_key", "***")):
            refused = await studio.owner.put("/settings", json={"changes": {name: value}})
            assert refused.status_code == 422, name
        assert not (studio.services.places.root / "studio.yaml").exists()


async def test_secrets_of_settings_are_never_shown(tmp_path: Path) -> None:
    async with control(tmp_path) as studio:
        changes = {"api_key": "sk-hush", "engine_env": {"TOKEN": "hush"}, "redis_url": "redis://u:hush@h/0"}
        answer = await studio.owner.put("/settings", json={"changes": changes})
        assert answer.status_code == 200 and "hush" not in answer.text
        assert "hush" not in (await studio.owner.get("/settings")).text


async def test_a_key_is_made_shown_once_and_revoked(tmp_path: Path) -> None:
    async with control(tmp_path) as studio:
        made = (await studio.owner.post(KEYS, json={"name": "webui", "scopes": ["inference", "read"]})).json()
        assert made["key"].startswith("sk-") and made["scopes"] == ["inference", "read"]
        listed = await studio.owner.get(KEYS)
        assert [one["name"] for one in listed.json()] == ["webui"] and made["key"] not in listed.text
        for wrong in ({"name": "", "scopes": ["read"]}, {"name": "x", "scopes": []}, {"name": "x", "scopes": ["root"]}):
            assert (await studio.owner.post(KEYS, json=wrong)).status_code == 422
        assert (await studio.owner.delete(f"{KEYS}/{made['id']}")).status_code == 200
        assert (await studio.owner.get(KEYS)).json() == []
        assert (await studio.owner.delete(f"{KEYS}/{made['id']}")).status_code == 404


async def test_the_admin_key_is_replaced_never_lost(tmp_path: Path) -> None:
    async with control(tmp_path) as studio:
        places, keys = studio.services.places, studio.services.keys
        await ensure_admin_key(places, keys)
        old = places.admin_key.read_text()
        (own,) = (await studio.owner.get(KEYS)).json()
        assert own["own"] is True
        assert (await studio.owner.delete(f"{KEYS}/{own['id']}")).status_code == 200
        assert places.admin_key.read_text() != old
        (fresh,) = (await studio.owner.get(KEYS)).json()
        assert fresh["own"] is True and fresh["id"] != own["id"]


async def test_who_asks_to_look_only_changes_nothing(tmp_path: Path) -> None:
    async with control(tmp_path) as studio:
        only = {"x-studio-read-only": "1"}
        assert (await studio.owner.get("/settings", headers=only)).status_code == 200
        refused = await studio.owner.post(KEYS, json={"name": "x", "scopes": ["read"]}, headers=only)
        assert refused.status_code == 403 and (await studio.owner.get(KEYS)).json() == []


async def test_the_doctor_answers_and_a_new_start_ends_the_controller_alone(tmp_path: Path) -> None:
    async with control(tmp_path) as studio:
        found = (await studio.owner.get("/doctor")).json()
        assert {"python", "disk"} <= {one["check"] for one in found} or len(found) > 5
        assert not {"characters", "tmux"} & {one["check"] for one in found}
        assert (await studio.owner.post("/restart")).status_code == 202
        assert studio.stopped == [False]
