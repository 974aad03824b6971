"""Adapters and slots of a real llama.cpp, as a person sees them on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from studio_core import wire
from tests.command import Command
from tests.engines.lora import write
from tests.engines.model import model
from tests.house import House, house

__all__ = ["model"]


def said(home: House, one: wire.Instance, slot: int) -> str:
    """What the model says next, at temperature 0, asked of the gateway's other end."""
    spec = next(each for each in home.places.instances.glob("*/spec.json") if one.id in str(each))
    key = json.loads(spec.read_text())["api_key"]
    body = {"prompt": "The capital of France is", "n_predict": 6, "temperature": 0, "id_slot": slot, "cache_prompt": False}
    answer = httpx.post(f"http://127.0.0.1:{one.port}/completion", json=body, timeout=60, trust_env=False,
                        headers={"authorization": f"Bearer {key}"})
    return str(answer.json()["content"])


def test_adapters_have_scales_and_slots_are_kept(model: Path, state_dir: Path, tmp_path: Path) -> None:
    poet, saved = write(tmp_path / "poet.gguf"), tmp_path / "saved"
    saved.mkdir()
    with house(state_dir) as home:
        studio = Command(home.root)
        recipe = {"id": "one", "backend": "llamacpp", "model_path": str(model), "max_model_len": 256,
                  "lora_adapters": [{"name": "poet", "path": str(poet), "scale": 0.0}],
                  "extra_args": {"threads": 1, "slot_save_path": str(saved), "parallel": 2}}
        home.client.put_recipe(recipe)
        one = home.launch("one")
        plain = said(home, one, 0)
        assert [(each.name, each.scale, each.origin) for each in home.client.adapters("one")] == [("poet", 0.0, "recipe")]
        # Its name is no model: it is in every request.
        assert [each["name"] for each in home.client.recipe("one").recipe["lora_adapters"]] == ["poet"]
        assert "poet" not in httpx.get(f"http://127.0.0.1:{home.port}/v1/models", trust_env=False).text

        # Slots, before another scale makes what they hold worthless.
        assert studio.good("slots", "one").splitlines()[1].split()[:2] == ["0", "idle"]
        tokens = studio.good("slots", "one", "save", "0", "a.bin")
        assert tokens.startswith("slot 0 saved, ") and (saved / "a.bin").stat().st_size > 0
        assert studio.good("slots", "one", "erase", "0").startswith("slot 0 erased, ")
        assert studio.good("slots", "one", "restore", "0", "a.bin") == tokens.replace("saved", "restored")
        assert "plain name" in studio.bad("slots", "one", "save", "0", "../a.bin")
        assert "which slot" in studio.bad("slots", "one", "save")

        rows = studio.good("adapters", "one", "scale", "poet", "1.0").splitlines()
        assert rows[1].split() == ["poet", "recipe", "1", str(poet)]
        assert said(home, one, 1) != plain
        assert "no adapter" in studio.bad("adapters", "one", "scale", "painter", "1")
        assert "no scale" in studio.bad("adapters", "one", "scale", "poet", "much")
        assert home.client.scale_adapter("one", "poet", 0.0)[0].scale == 0.0
        assert said(home, one, 1) == plain
