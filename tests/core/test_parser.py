"""Parsers by family: real names, configurations and templates, and the traps that caught others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_core.bench import parsers
from studio_core.engines import family, parser
from studio_core.models.facts import ModelFacts
from studio_core.recipes.recipe import parse

HERMES = "{%- if tools %}<tools></tools> <tool_call>\\n{\\\"name\\\": 1, \\\"arguments\\\": 2}</tool_call>{% endif %}"
QWEN = HERMES + "{%- if enable_thinking is defined and enable_thinking is false %}<think>\\n\\n</think>{% endif %}"
CODER = "<tool_call>\\n<function=f>\\n<parameter=p>\\n</parameter></function></tool_call>"
GLM45 = "[gMASK]<sop>{{ '\\n<tool_call>' + tc.name }}<arg_key>{{ k }}</arg_key><arg_value>v</arg_value><think></think>"
GLM47 = "[gMASK]<sop>{{- '<tool_call>' + tc.name }}<arg_key>{{ k }}</arg_key><arg_value>v</arg_value><think></think>"
CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
LLAMA = "{% if tools %}Environment: ipython{% endif %}<|python_tag|>"
THINKING = CHATML + "<think>"

# Model name → tool and reasoning parser of vLLM, of SGLang.
NAMES: dict[str, tuple[str | None, str | None, str | None, str | None]] = {
    "zai-org/GLM-4.7": ("glm47", "glm47", "glm47", "glm45"),
    "zai-org/GLM-4.5-Air-FP8": ("glm45", "glm45", "glm45", "glm45"),
    "glm-4-7-awq": ("glm47", "glm47", "glm47", "glm45"),
    "GLM_4.6_GPTQ": ("glm45", "glm45", "glm45", "glm45"),
    "THUDM/GLM-4-9B-0414": (None, None, None, None),
    "zai-org/GLM-5.1": ("glm47", "glm47", "glm47", "glm45"),
    "MiniMaxAI/MiniMax-M2.5": ("minimax_m2", "minimax_m2", "minimax-m2", "minimax"),
    "MiniMaxAI/MiniMax-M3": ("minimax_m3", "minimax_m3", "minimax-m3", "minimax-m3"),
    "PrimeIntellect/INTELLECT-3": ("qwen3_xml", "deepseek_r1", "qwen3_coder", "deepseek-r1"),
    "miromind-ai/MiroThinker-v1.0-30B": (None, "deepseek_r1", None, "deepseek-r1"),
    "Qwen/Qwen3-8B": ("hermes", "qwen3", "qwen", "qwen3"),
    "Qwen/Qwen3-30B-A3B-Thinking-2507-FP8": ("hermes", "qwen3", "qwen", "qwen3-thinking"),
    "Qwen/Qwen3-4B-Instruct-2507": ("hermes", None, "qwen", None),
    "Qwen/Qwen3-Coder-30B-A3B-Instruct": ("qwen3_coder", None, "qwen3_coder", None),
    "Qwen/Qwen3-VL-8B-Instruct": ("hermes", None, "qwen", None),
    "Qwen/Qwen3-VL-8B-Thinking": ("hermes", "qwen3", "qwen", "qwen3"),
    "Qwen/Qwen3.5-27B": ("qwen3_coder", "qwen3", "qwen3_coder", "qwen3"),
    "Qwen/Qwen2.5-Coder-32B-Instruct": ("hermes", None, "qwen", None),
    "Qwen/QwQ-32B": ("hermes", "deepseek_r1", "qwen", "deepseek-r1"),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": (None, "deepseek_r1", None, "deepseek-r1"),
    "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B": (None, "deepseek_r1", None, "deepseek-r1"),
    "deepseek-ai/DeepSeek-R1-0528": ("deepseek_v3", "deepseek_r1", "deepseekv3", "deepseek-r1"),
    "deepseek-ai/DeepSeek-V3.1": ("deepseek_v31", "deepseek_v3", "deepseekv31", "deepseek-v3"),
    "deepseek-ai/DeepSeek-V4-Flash": ("deepseek_v4", "deepseek_v4", "deepseekv4", "deepseek-v4"),
    "meta-llama/Llama-3.3-70B-Instruct": ("llama3_json", None, "llama3", None),
    "NousResearch/Hermes-3-Llama-3.1-8B": ("hermes", None, "hermes", None),
    "Salesforce/Llama-xLAM-2-8b-fc-r": ("xlam", None, None, None),
    "mistralai/Devstral-Small-2507": ("mistral", None, "mistral", None),
    "mistralai/Magistral-Small-2509": ("mistral", "mistral", "mistral", "mistral"),
    "openai/gpt-oss-120b": ("openai", "openai_gptoss", "gpt-oss", "gpt-oss"),
    "moonshotai/Kimi-K2-Instruct-0905": ("kimi_k2", None, "kimi_k2", None),
    "moonshotai/Kimi-K2.6": ("kimi_k2", "kimi_k2", "kimi_k2", "kimi_k2"),
    "google/gemma-4-31B-it": ("gemma4", "gemma4", "gemma4", "gemma4"),
    "google/gemma-3-27b-it": (None, None, None, None),
    "google/functiongemma-270m-it": ("functiongemma", None, None, None),
    "baidu/ERNIE-4.5-21B-A3B-Thinking": ("ernie45", "ernie45", None, None),
    "stepfun-ai/Step-3.5-Flash": ("step3p5", "step3p5", "step3p5", "step3p5"),
    "HuggingFaceTB/SmolLM3-3B": ("hermes", "qwen3", "qwen", "qwen3"),
    # Names that only look like a family's.
    "PrimeIntellect/INTELLECT-1-3B": (None, None, None, None),
    "intellect-30b": (None, None, None, None),
    "MiniMaxAI/MiniMax-Text-01-m2": (None, None, None, None),
    "minimax-m256k": (None, None, None, None),
    "whisper-m2-large": (None, None, None, None),
    "mimosa-7b": (None, None, None, None),
    "open-llama-40b": (None, None, None, None),
    "open-llama-3b-v2": (None, None, None, None),
    "granite-40b-base": (None, None, None, None),
    "Philosophy-4-mini": (None, None, None, None),
    "Modeling-3-large": (None, None, None, None),
    "mistralai/Voxtral-Mini-4B-Realtime-2602": (None, None, None, None),
    "Qwen/Qwen3-8B-Base": (None, None, None, None),
    "Qwen/Qwen3-Embedding-8B": (None, None, None, None),
    "Qwen/Qwen3-Reranker-4B": (None, None, None, None),
}


def names(engine: str, *given: str, known: parser.Known | None = None, **facts: Any) -> tuple[str | None, str | None]:
    told = ModelFacts(names=tuple(name.rpartition("/")[2] for name in given), **facts)
    found = parser.choose(engine, told, known)
    return found.tool.name, found.reasoning.name


@pytest.mark.parametrize("model", NAMES)
def test_a_name_says_the_parsers_of_each_engine(model: str) -> None:
    expected = NAMES[model]
    assert (names("vllm", model), names("sglang", model)) == (expected[:2], expected[2:])


# What config.json and template say: name, architecture, model type, template → vLLM's, SGLang's.
FACTS: tuple[tuple[str, str, str, str, tuple[str | None, ...]], ...] = (
    ("my-tune", "Glm4MoeForCausalLM", "glm4_moe", "", ("glm47", "glm47", None, "glm45")),
    ("my-tune", "Glm4MoeForCausalLM", "glm4_moe", GLM45, ("glm47", "glm47", "glm45", "glm45")),
    ("my-tune", "Glm4MoeForCausalLM", "glm4_moe", GLM47, ("glm47", "glm47", "glm47", "glm45")),
    ("my-tune", "Glm4MoeForCausalLM", "glm4_moe", CODER + "<think>", ("qwen3_coder", "glm47", "qwen3_coder", "glm45")),
    ("my-tune", "MiniMaxM2ForCausalLM", "minimax_m2", "", ("minimax_m2", "minimax_m2", "minimax-m2", "minimax")),
    ("my-tune", "GptOssForCausalLM", "gpt_oss", "", ("openai", "openai_gptoss", "gpt-oss", "gpt-oss")),
    ("my-tune", "DeepseekV3ForCausalLM", "kimi_k2", "", ("kimi_k2", None, "kimi_k2", None)),
    ("my-tune", "Qwen3ForCausalLM", "qwen3", QWEN, ("hermes", "qwen3", "qwen", "qwen3")),
    ("my-tune", "Qwen3ForCausalLM", "qwen3", HERMES, ("hermes", None, "qwen", None)),
    ("my-tune", "Qwen3ForCausalLM", "qwen3", "", ("hermes", None, "qwen", None)),
    ("my-tune", "LlamaForCausalLM", "llama", CHATML, (None, None, None, None)),
    ("my-tune", "LlamaForCausalLM", "llama", LLAMA, ("llama3_json", None, "llama3", None)),
    ("my-tune", "LlamaForCausalLM", "llama", THINKING, (None, "deepseek_r1", None, "deepseek-r1")),
    ("my-tune", "MistralForCausalLM", "mistral", CHATML + "[TOOL_CALLS]", ("mistral", None, "mistral", None)),
    # A name that config.json speaks against is not believed.
    ("glm-4.7-distill-8b", "Qwen3ForCausalLM", "qwen3", QWEN, ("hermes", "qwen3", "qwen", "qwen3")),
    ("qwen3-in-name-only", "FutureForCausalLM", "future", "", (None, None, None, None)),
    ("deepseek-r1-of-a-friend", "LlamaForCausalLM", "llama", LLAMA, ("llama3_json", None, "llama3", None)),
    # A name's family, but a template that cannot bear its parser.
    ("qwen3-8b-plain", "Qwen3ForCausalLM", "qwen3", CHATML, (None, None, None, None)),
    ("qwen2.5-vl-7b", "Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl", CHATML, (None, None, None, None)),
    ("dolphin-2.6-mistral-7b", "MistralForCausalLM", "mistral", CHATML, (None, None, None, None)),
    ("mistral-chatml-7b", "MistralForCausalLM", "mistral", HERMES, ("hermes", None, "qwen", None)),
)


@pytest.mark.parametrize("case", FACTS, ids=lambda one: f"{one[0]} {one[1]} {len(one[3])}")
def test_architecture_and_template(case: tuple[str, str, str, str, tuple[str | None, ...]]) -> None:
    name, architecture, kind, template, expected = case
    told: dict[str, Any] = {"architectures": (architecture,), "model_type": kind, "template": template}
    assert names("vllm", name, **told) + names("sglang", name, **told) == expected


# Pieces that a format's template has, and what it means to vLLM and to SGLang. SGLang 0.5.23's own detection says the same.
DSML, CALLS = "<\uff5cDSML\uff5c", "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581sep\uff5c>"
THINKING_OFF = "{% if not thinking is defined %}{% set thinking = false %}{% endif %}</think>"
DEFAULT_OFF = "{%- set enable_thinking = enable_thinking | default(false) -%}"
TEMPLATES: dict[str, tuple[str | None, ...]] = {
    THINKING_OFF + CALLS: ("deepseek_v31", "deepseek_v3", "deepseekv31", "deepseek-v3"),
    THINKING_OFF + DSML + "function_calls>": ("deepseek_v32", "deepseek_v3", "deepseekv32", "deepseek-v3"),
    DSML + "tool_calls>": ("deepseek_v4", "deepseek_v4", "deepseekv4", "deepseek-v4"),
    DSML + " calls>": ("deepseek_v41", "deepseek_v41", "deepseekv41", "deepseek-v41"),
    "<minimax:tool_call><think>": ("minimax_m2", "minimax_m2", "minimax-m2", "minimax"),
    "<mm:think>": ("minimax_m3", "minimax_m3", "minimax-m3", "minimax-m3"),
    "<|channel|>analysis": ("openai", "openai_gptoss", "gpt-oss", "gpt-oss"),
    "<|channel>thought": ("gemma4", "gemma4", "gemma4", "gemma4"),
    "reasoning_effort [THINK] [TOOL_CALLS]": ("mistral", "mistral", "mistral", "mistral"),
    "\u25c1think\u25b7": (None, None, None, "kimi"),
    "truncate_history_thinking{%- set enable_thinking = enable_thinking if enable_thinking is defined else True %}" + CODER:
        ("qwen3_coder", "nemotron_v3", "qwen3_coder", "nemotron_3"),
    DEFAULT_OFF + "<arg_key><arg_value>": ("poolside_v1", "poolside_v1", "poolside_v1", "poolside_v1"),
    "All available function signatures are listed below <arg_key><arg_value>":
        ("poolside_v1", "poolside_v1", "poolside_v1", "poolside_v1"),
    DEFAULT_OFF + CODER: ("qwen3_coder", None, "mimo", "mimo"),
    "Step-3.5 <think>" + CODER: ("step3p5", "step3p5", "step3p5", "step3p5"),
    "<role>ASSISTANT</role><|role_end|><arg_key><arg_value><role>SYSTEM</role>": ("ling3", "ling3", "ling3", "ling3"),
    "<|tool_call_start|><|tool_call_end|></think>": ("lfm2", None, "lfm2", None),
    "<tool_calls><tool_sep><think>": (None, None, "hunyuan", "hunyuan"),
    '<function name="a"><param name="b">': ("minicpm5", None, "minicpm5", None),
    "default_thinking_sys{% if enable_thinking is not defined or enable_thinking %}<think>":
        ("internlm", "deepseek_r1", "interns1", "interns1"),
    "{# enable_thinking | default(false) #}<think>": (None, "deepseek_r1", None, "deepseek-r1"),
    "[gMASK]<sop>Reasoning Effort:<tool_call><arg_key><arg_value><think>": ("glm45", "glm47", "glm45", "glm45"),
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_alone_says_its_format(template: str) -> None:
    assert names("vllm", "x", template=template) + names("sglang", "x", template=template) == TEMPLATES[template]


REASONS = (
    (ModelFacts(("x",), ("Glm4MoeForCausalLM",), "glm4_moe"), "glm47: architecture Glm4MoeForCausalLM"),
    (ModelFacts(("GLM-4.7",)), "glm47: name says GLM-4.7 / GLM-4.7-Flash"),
    (ModelFacts(("GLM-4.7",), ("Glm4MoeForCausalLM",)),
     "glm47: name says GLM-4.7 / GLM-4.7-Flash, architecture Glm4MoeForCausalLM"),
    (ModelFacts(("x",), template=CODER), "qwen3_coder: chat template of the format 'function='"),
    (ModelFacts(("x",), served="glm-4.7"), "glm47: name says GLM-4.7 / GLM-4.7-Flash (as it is served)"),
    (ModelFacts(("Gemma-3-4b-it",)), "none: name says Gemma 3 / 3n, which has no tool parser"),
    (ModelFacts(("Qwen3-8B-Base",)), "none: name says a base model, which has no tool parser"),
    (ModelFacts(("qwen3-8b",), template=CHATML),
     "none: name says Qwen3 (hybrid thinking), but its chat template does not fit hermes"),
    (ModelFacts(("Hermes-4-70B",)), "hermes: name says Hermes 4, unproven"),
    (ModelFacts(("x",)), "none: neither name nor config.json nor chat template says"),
)


@pytest.mark.parametrize(("facts", "line"), REASONS, ids=lambda one: one if isinstance(one, str) else "")
def test_every_choice_has_its_reason(facts: ModelFacts, line: str) -> None:
    assert parser.choose("vllm", facts).tool.line == line


def test_a_served_name_hides_nothing() -> None:
    assert names("vllm", "GLM-4.7", served="qwen3-coder") == ("glm47", "glm47")
    assert names("vllm", "x", architectures=("MiniMaxM2ForCausalLM",), served="qwen3-8b") == ("minimax_m2", "minimax_m2")


def test_what_a_tuned_model_was_made_of_counts_after_its_own_name() -> None:
    assert names("vllm", "MyModel", "Qwen3-8B") == ("hermes", "qwen3")
    assert names("vllm", "GLM-4.7-tuned", "Qwen3-8B") == ("glm47", "glm47")
    assert names("vllm", "MyModel", "Qwen3-8B-Base", template=QWEN) == ("hermes", "qwen3")


def test_a_parser_that_stops_the_start_is_not_chosen() -> None:
    """vLLM ends where the tokenizer has no think tokens (recorded: wrong_reasoning_parser.log)."""
    found = parser.choose("vllm", ModelFacts(("QwQ-32B",), tokens=frozenset({"<think>"})))
    assert found.reasoning.line == "none: name says QwQ-32B, but its tokenizer has no token </think>"
    assert names("vllm", "QwQ-32B", tokens=frozenset({"<think>", "</think>"}))[1] == "deepseek_r1"
    assert names("vllm", "QwQ-32B", tokens=None)[1] == "deepseek_r1"
    assert names("sglang", "QwQ-32B", tokens=frozenset({"<think>"}))[1] == "deepseek-r1"


def test_what_the_engine_does_not_have_is_not_chosen_and_the_reason_says_so() -> None:
    known = {"tool": ["hermes", "glm45"], "reasoning": ["glm47"]}
    found = parser.choose("vllm", ModelFacts(("GLM-4.7",)), known)
    assert found.tool.line == ("none: the installed engine has no such parser as glm47 (name says GLM-4.7 / GLM-4.7-Flash)")
    assert found.reasoning.name == "glm47"


def test_tabby_and_llama_server_have_their_own_words() -> None:
    found = parser.choose("tabbyapi", ModelFacts(("GLM-4.7-exl3",)))
    assert (found.tool.name, found.reasoning.tokens) == ("glm4_7", ("<think>", "</think>"))
    assert parser.choose("tabbyapi", ModelFacts(("gemma-4-31b-it",))).reasoning.tokens == ("<|channel>thought", "<channel|>")
    assert parser.choose("tabbyapi", ModelFacts(("Llama-3.3-70B",))).reasoning.tokens is None
    found = parser.choose("llamacpp", ModelFacts(("GLM-4.7",)))
    assert (found.tool.name, found.reasoning.line) == (None, "auto: llama-server reads the chat template itself")


def test_a_family_s_further_wishes_are_told() -> None:
    assert parser.choose("vllm", ModelFacts(("DeepSeek-V3.2",))).wants == "--tokenizer-mode deepseek_v32"
    assert parser.choose("sglang", ModelFacts(("DeepSeek-V3.2",))).wants == ""


RECIPES: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({}, "glm47: name says", "glm47: name says"),
    ({"tool_call_parser": "hermes"}, "hermes: the recipe says so", "glm47: name says"),
    ({"tool_call_parser": "none", "reasoning_parser": "None"}, "none: the recipe says none", "none: the recipe says none"),
    ({"reasoning_parser": "glm45", "extra_args": {"reasoning-parser": "qwen3"}}, "glm47: name says", "qwen3: the recipe says so"),
    ({"extra_args": {"--tool-call-parser": "mine"}}, "mine: the recipe says so; the engine does not list it", "glm47: name says"),
    ({"extra_args": {"tool-call-parser": None, "reasoning_parser": False}}, "none: the recipe says", "none: the recipe says none"),
    ({"tool_call_parser": "", "reasoning_parser": ""}, "glm47: name says", "glm47: name says"),
    ({"served_model_name": "qwen3-coder"}, "glm47: name says", "glm47: name says"),
)


@pytest.mark.parametrize(("fields", "tool", "reasoning"), RECIPES)
def test_the_recipe_wins(fields: dict[str, Any], tool: str, reasoning: str) -> None:
    found = parser.of_recipe(parse({"id": "a", "model_path": "/nowhere/GLM-4.7", **fields}), "vllm")
    assert (found.tool.line[:len(tool)], found.reasoning.line[:len(reasoning)]) == (tool, reasoning)


WRONG: tuple[tuple[dict[str, Any], parser.Known | None, list[tuple[str, str, bool]]], ...] = (
    ({"tool_call_parser": "hermes"}, None, []),
    ({"tool_call_parser": "hermez"}, None, [("vllm has no tool parser hermez", "did you mean hermes?", False)]),
    ({"tool_call_parser": "hermes"}, {"tool": ["pythonic"]}, [("vllm has no tool parser hermes", "choose another", True)]),
    ({"extra_args": {"reasoning-parser": "qwen4"}}, {"reasoning": ["qwen3"]},
     [("vllm has no reasoning parser qwen4", "did you mean qwen3?", True)]),
    ({"reasoning_parser": "mine", "extra_args": {"reasoning-parser-plugin": "/mine.py"}}, {"reasoning": ["qwen3"]}, []),
    ({"tool_call_parser": "none"}, {"tool": ["x"]}, []),
    ({"tool_call_parser": "auto"}, {"tool": ["x"]}, [("vllm has no tool parser auto", "choose another", True)]),
)


@pytest.mark.parametrize(("fields", "known", "expected"), WRONG)
def test_a_recipe_s_unknown_parser_is_a_problem(
    fields: dict[str, Any], known: parser.Known | None, expected: list[tuple[str, str, bool]]
) -> None:
    found = list(parser.problems(parse({"id": "a", "model_path": "x", **fields}), "vllm", known))
    assert [(one.text, one.severe) for one in found] == [(text, severe) for text, _, severe in expected]
    assert all(one.hint.startswith(hint) for one, (_, hint, _) in zip(found, expected, strict=True))


def test_auto_is_a_word_of_sglang_s() -> None:
    recipe = parse({"id": "a", "model_path": "x", "tool_call_parser": "auto"})
    assert list(parser.problems(recipe, "sglang", {"tool": ["qwen"]})) == []
    assert parser.of_recipe(recipe, "sglang").tool.line == "auto: the recipe says so"


def test_the_recipe_s_environment_may_say_where_its_models_are(tmp_path: Path) -> None:
    place = tmp_path / "models--me--my-tune" / "snapshots" / "1"
    place.mkdir(parents=True)
    (place / "config.json").write_text('{"model_type": "minimax_m2"}', encoding="utf-8")
    recipe = {"id": "a", "model_path": "me/my-tune"}
    assert parser.of_recipe(parse(recipe), "vllm").tool.name is None
    found = parser.of_recipe(parse({**recipe, "env_vars": {"HF_HUB_CACHE": str(tmp_path)}}), "vllm")
    assert found.tool.line == "minimax_m2: architecture minimax_m2"


def test_no_row_names_a_parser_that_its_engine_s_known_version_lacks() -> None:
    table = family.table()
    lists = [row.parsers for row in table.rows] + [
        {engine: {kind: name} for engine, name in one.parsers.items()} for kind, rows in table.signatures.items() for one in rows
    ]
    wrong = [
        (engine, kind, name)
        for parsers_of in lists for engine, said in parsers_of.items() for kind, name in said.items()
        if kind in table.known[engine] and name not in table.known[engine][kind]
    ]
    assert len(table.rows) > 100 and wrong == []


def test_every_disagreement_with_vllm_s_recipes_is_explained() -> None:
    found = parsers.agreement()
    assert found.models == 153
    assert set(found.differing) == set(found.explained), "an explanation for each, and none for nothing"
    assert found.models - len(found.differing) == 141


def test_the_figure_is_printed() -> None:
    same, unexplained = parsers.measure()
    assert (same.value, unexplained.value, unexplained.met) == (141.0, 0.0, True)
    assert same.note == "of 153, 92.2%; by name alone"


PIECES = st.sampled_from([
    "Qwen3", "-8B", "glm-4.7", "MiniMax-M2", "Thinking", "-Base", "deepseek-r1", "_", " ", "llama-3.1", "gpt-oss", "x", "4",
    HERMES, QWEN, CODER, GLM45, GLM47, LLAMA, THINKING, "<|channel>", "<|channel|>", "<\uff5cDSML\uff5ctool_calls>",
    "{%- if not thinking is defined %}{% set thinking = false %}{% endif %}",
])
TEXTS = st.lists(PIECES | st.text(max_size=12), max_size=5).map("".join)
ARCHITECTURES = st.sampled_from(sorted({one for row in family.table().rows for one in row.architectures} | {"Other", ""}))
TYPES = st.sampled_from(sorted({one for row in family.table().rows for one in row.types} | {"other", ""}))
TOKENS = st.none() | st.frozensets(st.sampled_from(["<think>", "</think>", "<|tool_calls_section_begin|>", "<|inner_prefix|>"]))
ANY = st.builds(
    ModelFacts, names=st.lists(TEXTS, max_size=3).map(tuple), architectures=st.lists(ARCHITECTURES, max_size=2).map(tuple),
    model_type=TYPES, template=TEXTS, tokens=TOKENS, served=TEXTS,
)
PARSERS = st.sampled_from(sorted({name for kinds in family.table().known.values() for names in kinds.values() for name in names}))
KNOWN = st.none() | st.fixed_dictionaries({"tool": st.frozensets(PARSERS), "reasoning": st.frozensets(PARSERS)})


@given(st.sampled_from(["vllm", "sglang", "tabbyapi"]), ANY, KNOWN)
def test_it_never_raises_is_deterministic_and_stays_among_the_known(engine: str, facts: ModelFacts, known: Any) -> None:
    found = parser.choose(engine, facts, known)
    parser._choose.cache_clear()
    assert parser.choose(engine, facts, known) == found
    names = known or family.table().known[engine]
    for kind, choice in (("tool", found.tool), ("reasoning", found.reasoning)):
        assert choice.reason
        assert choice.name is None or kind not in names or choice.name in names[kind]
