"""Every verb against a whole Studio: real controller, gateway and shims; the scripted engine."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core.client import Client
from studio_core.errors import Conflict, NoKey
from tests.command import Command
from tests.house import SCRIPT, House, house
from tests.terminal import Window
from tests.wait import wait_until

OTHER = "other [red]x[/red]"


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="st-") as folder, house(Path(folder)) as found:
        found.recipe("one")
        found.recipe("slow", load_s=30.0)
        found.client.put_recipe({**found.client.recipe("one").recipe, "id": "broken", "binary": str(broken(found.root))})
        yield found


def broken(root: Path) -> Path:
    """An engine that tells its flags and otherwise ends with 3."""
    path = root / "broken"
    path.write_text(f'#!/bin/sh\n[ "$1" = --help ] && exec {sys.executable} {SCRIPT} --help\necho out of luck; exit 3\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def studio(home: House) -> Iterator[Command]:
    yield Command(home.root)
    for one in home.client.instances():
        home.client.evict(one.id, force=True)


def test_status_names_every_process(home: House, studio: Command) -> None:
    studio.good("launch", "one", "--wait")
    found = studio.data("status")
    pids = [found["controller"]["pid"], found["gateway"]["pid"], found["probe"]["pid"]]
    pids += [found["instances"][0]["shim_pid"], found["instances"][0]["engine_pid"]]
    assert len(set(pids)) == 5 and all(Path(f"/proc/{pid}").exists() for pid in pids)
    assert studio.data("ps")[0]["recipe_id"] == "one"
    text = studio.good("status")
    assert all(str(pid) in text for pid in pids if pid != found["probe"]["pid"])
    assert "cpu_count" in studio.data("gpus")["host"]


def test_launch_stop_and_what_they_print(studio: Command) -> None:
    assert studio.good("launch", "one", "--wait") == "one: ready\n"
    assert studio.data("launch", "one", "--wait")["state"] == "ready"
    assert studio.good("stop", "one") == "one stopped\n"
    assert "does not run" in studio.bad("stop", "one")
    assert "nobody" in studio.bad("launch", "nobody")


def test_a_launch_that_fails_fails(studio: Command) -> None:
    said = studio.bad("launch", "broken", "--wait")
    assert "3" in said, said
    assert "out of luck" in studio.good("logs", "broken")


def test_a_launch_that_is_stopped_was_cancelled(studio: Command, home: House) -> None:
    waiting = studio.start("launch", "slow", "--wait")
    wait_until(lambda: [one for one in home.client.instances() if one.recipe_id == "slow"], what="it starts")
    studio.good("stop", "slow", "--force")
    out, said = waiting.communicate(timeout=30)
    assert (waiting.returncode, out) == (1, "") and "cancelled" in said and said.count("\n") == 1


def test_ctrl_c_leaves_the_launch_alone(studio: Command, home: House) -> None:
    waiting = studio.start("launch", "slow", "--wait")
    wait_until(lambda: [one for one in home.client.instances() if one.recipe_id == "slow"], what="it starts")
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=30)
    assert (waiting.returncode, said) == (130, "slow goes on; stop it: studio stop slow\n")
    assert home.instance("slow").state in ("starting", "loading")


def test_switch_takes_the_place_of_what_runs(studio: Command, home: House) -> None:
    studio.good("launch", "one", "--wait")
    home.recipe("two")
    assert studio.good("switch", "two") == "two: ready\n"
    assert [one["recipe_id"] for one in studio.data("ps") if one["state"] != "failed"] == ["two"]
    rows = studio.data("recipes")
    place = [one["id"] for one in rows].index("one") + 1
    done = studio("switch", said=f"{place}\n")
    assert (done.returncode, done.stdout) == (0, "one: ready\n"), done
    assert studio("switch", said="99\n").returncode == 130
    home.client.evict(force=True)
    home.client.delete_recipe("two")


def test_switch_in_a_terminal(studio: Command, home: House) -> None:
    with Window([*studio.argv, "switch"], studio.environ, 80, 24) as window:
        window.until("switch to:")
        window.send("on")
        window.until("switch to: on")
        window.send("\r")
        window.until("one: ready")
        assert window.ended() == 0
    with Window([*studio.argv, "switch"], studio.environ, 80, 24) as window:
        window.until("switch to:")
        window.send("\x1b")
        assert window.ended() == 130


def test_chat_streams_and_is_kept(studio: Command, home: House) -> None:
    studio.good("launch", "one", "--wait")
    assert studio.good("chat", "one", "say", "it").startswith("t0 t1")
    done = studio("chat", "one", said="first\n\nsecond\n")
    assert done.returncode == 0 and done.stdout.count("t0 t1") == 2
    kept = home.client.chat(home.client.chats()[0].id)
    assert [one.content for one in kept.messages if one.role == "user"] == ["first", "second"]
    assert "nobody" in studio.bad("chat", "nobody", "hello").lower()


def test_ctrl_c_stops_the_answer_and_keeps_what_came(studio: Command, home: House) -> None:
    home.recipe("stuck", stall_after_tokens=2)
    studio.good("launch", "stuck", "--wait")
    asking = studio.start("chat", "stuck", "say it")
    assert asking.stdout is not None
    assert asking.stdout.read(5) == "t0 t1"
    asking.send_signal(signal.SIGINT)
    _, said = asking.communicate(timeout=30)
    assert (asking.returncode, said) == (130, "")
    last = home.client.chat(home.client.chats()[0].id).messages[-1]
    assert (last.state, (last.content or "").strip()) == ("stopped", "t0 t1")


def test_logs_list_read_search_follow(studio: Command, home: House) -> None:
    studio.good("launch", "one", "--wait")
    name = home.instance("one").id
    assert name in studio.good("logs")
    assert "model loaded" in studio.good("logs", "one")
    assert studio.good("logs", "one", "--grep", "model loaded").count("\n") == 1
    assert studio.data("logs", name, "-n", "1")["lines"] != []
    assert "no log" in studio.bad("logs", "nobody")
    following = studio.start("logs", name, "-f", "-n", "1")
    assert following.stdout is not None
    following.stdout.readline()
    studio.good("stop", "one")
    _, said = following.communicate(timeout=30)
    assert (following.returncode, said) == (0, "")


def test_a_log_is_followed_over_the_death_of_the_controller(studio: Command, home: House) -> None:
    home.recipe("slow", load_s=3.0)
    studio.good("launch", "slow")
    name = home.instance("slow").id
    following = studio.start("logs", name, "-f", "-n", "1000")
    assert following.stdout is not None
    begun = following.stdout.readline()
    killed = home.kill_controller()
    wait_until(lambda: home.status().controller.pid != killed)
    wait_until(lambda: home.instance("slow").state == "ready")
    studio.good("stop", "slow")
    told, said = following.communicate(timeout=30)
    assert (following.returncode, said) == (0, "")
    # The engine also complains of the controller that left in the middle of a question.
    lines = [line for line in (begun + told).splitlines() if line.startswith("0.00")]
    assert len(lines) == len(set(lines)) and "model loaded" in told


def test_recipes_go_out_and_come_back_the_same(studio: Command, home: House, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(f"id: spare\nname: '{OTHER}'\nbackend: llamacpp\nmodel_path: {home.root}/model.gguf\n", encoding="utf-8")
    assert studio.good("recipes", "add", str(file)) == "spare stored, version 1\n"
    assert "already" in studio.bad("recipes", "add", str(file))
    text = studio.good("recipes", "show", "spare")
    assert OTHER in text and json.loads(studio.good("recipes", "show", "spare", "--json"))[0]["name"] == OTHER
    assert studio.good("recipes", "import", "-", "--replace", said=text) == "spare stored, version 2\n"
    assert studio.good("recipes", "export", "spare") == text
    assert "spare" in studio.good("recipes")
    assert studio.good("recipes", "remove", "spare") == "spare removed\n"
    assert "spare" in studio.bad("recipes", "show", "spare")
    assert "cannot read" in studio.bad("recipes", "add", str(tmp_path))
    assert "YAML" in studio.bad("recipes", "add", "-", said="id: [")


def test_the_admin_key_opens_the_front_door(studio: Command, home: House) -> None:
    key = studio.good("keys", "admin").strip()
    url = f"http://127.0.0.1:{home.port}"
    assert Client(url=url, key=key).config() == home.client.config()
    with pytest.raises(NoKey):
        Client(url=url, key="wrong").status()
    far = Command(home.root / "elsewhere", "--url", url, VLLM_STUDIO_API_KEY=key)
    assert far.data("status")["controller"]["pid"] == home.status().controller.pid
    assert os.path.exists(home.root / "elsewhere") is False
    assert key not in studio.good("status", "--json") + studio.good("logs", "controller")


def test_keys_are_made_used_listed_and_revoked(studio: Command, home: House) -> None:
    key = studio.good("keys", "make", "bot", "--scopes", "read,metrics").strip()
    far = Client(url=f"http://127.0.0.1:{home.port}", key=key)
    assert far.status().running is not None
    row = next(one for one in studio.data("keys") if one["name"] == "bot")
    assert row["scopes"] == ["read", "metrics"] and row["id"] in studio.good("keys") and key not in studio.good("keys")
    assert "scope" in studio.bad("keys", "make", "bot", "--scopes", "root")
    studio.good("keys", "make", "bot")
    assert "2 keys are called bot" in studio.bad("keys", "revoke", "bot")
    assert studio.data("keys", "revoke", row["id"]) == {"revoked": row["id"]}
    with pytest.raises(NoKey):
        far.status()
    assert studio.good("keys", "revoke", "bot") == "bot revoked\n"
    assert "no key bot" in studio.bad("keys", "revoke", "bot")
    assert "no key bot" not in studio.good("keys", "list")


def picky(home: House, name: str) -> None:
    """A recipe whose engine says of a flag in its help that it does not know it."""
    binary = home.root / name
    binary.write_text(
        f'#!/bin/sh\n[ "$1" = --help ] && exec {sys.executable} {SCRIPT} --help\n'
        f'for word; do [ "$word" = --parallel ] && echo "error: invalid argument: --parallel" && exit 1; done\n'
        f'exec {sys.executable} {SCRIPT} "$@"\n'
    )
    binary.chmod(0o755)
    recipe = home.client.recipe("one").recipe
    home.client.put_recipe({**recipe, "id": name, "binary": str(binary), "extra_args": {"parallel": 2, "metrics": True}})


def test_the_remedy_of_a_failure_is_shown_stored_and_helps(home: House, studio: Command) -> None:
    picky(home, "picky")
    assert "has not failed" in studio.bad("recipes", "fix", "picky")
    studio.bad("launch", "picky", "--wait")
    shown = studio.good("recipes", "fix", "picky", "--dry-run")
    assert shown.splitlines() == ["remove parallel", "- extra_args.parallel: 2", "not stored"]
    assert home.client.recipe("picky").version == 1
    assert studio.data("recipes", "fix", "picky")["stored"] is True
    assert home.client.recipe("picky").recipe["extra_args"] == {"metrics": True}
    assert "is so already" in studio.good("recipes", "fix", "picky")
    studio.good("launch", "picky", "--wait")


def test_a_failure_without_a_known_change_says_so(home: House, studio: Command) -> None:
    studio.bad("launch", "broken", "--wait")
    assert "no change of the recipe is known" in studio.bad("recipes", "fix", "broken")


def test_a_change_that_was_not_the_expected_one_is_not_made(home: House, studio: Command) -> None:
    picky(home, "moved")
    studio.bad("launch", "moved", "--wait")
    with pytest.raises(Conflict):
        home.client.fix_recipe("moved", "raise the ceiling")
    assert home.client.fix_recipe("moved", "remove parallel").version == 2


def test_the_second_start_is_foretold_from_the_first(home: House, studio: Command) -> None:
    home.recipe("learned", load_s=1.0)
    studio.good("launch", "learned", "--wait")
    home.client.evict(home.instance("learned").id, force=True)
    launch = home.client.launch("learned")
    told = [one.progress for one in home.client.launch_states(launch.id)]
    expected = [one.total_s for one in told if one.total_s is not None]
    assert expected and all(total >= 1.0 for total in expected)
    assert min(one.eta_s for one in told if one.eta_s is not None) < 1.0
    assert told[-1].percent == 100.0 and told[-1].eta_s is None
