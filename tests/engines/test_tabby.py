"""TabbyAPI: the real one against its recorded contract (opt-in), the stand-in against the same, and Studio with the stand-in."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import record_tabby, tabby_contract
from tests.engines.tabby_contract import contract, observed
from tests.house import House, house

STAND_IN = Path(__file__).with_name("tabby_stand_in.py")
HEAD = {"engine", "source", "commit", "date"}


@pytest.mark.engines
@pytest.mark.skipif(record_tabby.VARIABLE not in os.environ, reason=f"opt-in: {record_tabby.VARIABLE} names no checkout")
def test_the_real_one_does_what_is_recorded(tmp_path: Path) -> None:
    """Another state of TabbyAPI may do something else: record it anew, and see what of Studio has to follow."""
    assert observed(record_tabby.command(), tmp_path) == {key: value for key, value in contract().items() if key not in HEAD}


@pytest.mark.engines
@pytest.mark.skipif(record_tabby.VARIABLE not in os.environ, reason=f"opt-in: {record_tabby.VARIABLE} names no checkout")
def test_the_real_one_without_its_inference_packages_is_told_what_it_lacks(state_dir: Path) -> None:
    """Through a whole Studio, which does not let it start without them."""
    python, main = record_tabby.command()
    model = state_dir / "models" / "tiny"
    model.mkdir(parents=True)
    (model / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    with house(state_dir) as home:
        home.client.put_recipe({
            "id": "tabby", "backend": "tabbyapi", "model_path": str(model), "binary": str(Path(main).parent), "python_path": python,
        })
        failure = home.client.launch("tabby", wait=True).failure
    assert failure is not None and "torch or exllamav3 is missing" in failure.title, failure
    assert "start.sh" in failure.hint and failure.evidence


def test_the_stand_in_does_what_the_real_one_was_recorded_to_do(tmp_path: Path) -> None:
    """Of the paths it has some; of those it answers as the real one did."""
    real, ours = contract(), observed((sys.executable, str(STAND_IN)), tmp_path)
    assert ours["exchanges"] == real["exchanges"]
    assert {path: real["paths"].get(path) for path in ours["paths"]} == ours["paths"]
    for name in ("port_taken", "keys_in_the_log", "names_of_keys", "exit_of_sigterm"):
        assert ours[name] == real[name], name


def test_every_recorded_exchange_is_one_that_is_asked() -> None:
    asked = [(one.method, one.path, one.key, one.body) for one in tabby_contract.EXCHANGES]
    assert [(one["method"], one["path"], one["key"], one["body"]) for one in contract()["exchanges"]] == asked


# Simulated: a whole Studio with the stand-in as TabbyAPI's checkout.


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as found:
        checkout, model = tmp_path / "checkout", tmp_path / "models" / "tiny"
        checkout.mkdir()
        model.mkdir(parents=True)
        shutil.copy(STAND_IN, checkout / "main.py")
        (model / "config.json").write_text("{}", encoding="utf-8")
        found.client.put_recipe({
            "id": "tabby", "backend": "tabbyapi", "model_path": str(model), "binary": str(checkout),
            "python_path": sys.executable, "max_model_len": 1000, "grace_s": 5.0,
        })
        yield found


def test_studio_starts_it_asks_it_and_stops_it(home: House) -> None:
    one = home.launch("tabby")
    folder = home.places.instance(one.id)
    assert (folder / "api_tokens.yml").stat().st_mode & 0o777 == 0o600
    with home.ask("tabby") as reply:
        assert json.load(reply)["model"] == "tiny"
    home.client.evict()
    assert home.status().instances == []


def test_a_key_that_it_prints_is_not_shown(home: House) -> None:
    one = home.launch("tabby")
    key = (home.places.instance(one.id) / "api_tokens.yml").read_text(encoding="utf-8").split("api_key: ")[1].split()[0]
    page = home.client.log(one.id)
    assert any("API key is:" in line for line in page.lines)
    assert key not in page.content + "".join(page.lines)
