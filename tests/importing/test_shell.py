"""The splitter of shell texts: the words are the shell's, and no text breaks it."""

from __future__ import annotations

import contextlib
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_core.errors import StudioError
from studio_core.importing.answer import answer
from studio_core.importing.found import nothing
from studio_core.importing.kind import TEXTS, read_text
from studio_core.importing.shell import Shell
from studio_core.importing.written import written

PIECES = st.sampled_from([
    "vllm", "serve", "m", " ", "\n", "\\", "\\\n", "'", '"', "$", "$(", ")", "${", "}", "`", "$'", "#", "&&", "|", ";", ">", "2>&1",
    "<", "=",
    "--tp", "-O3", "-tp", "--max-model-len", "8k", "docker", "run", "-e", "A=b", "--gpus", "env", "-u", "cd", "bash", "-c",
    "python", "-m", "llama-server", "main.py", "uv", "conda", "[Service]\n", "ExecStart=", "Environment=", "%h", "models:",
    "  x: {cmd: ", "model_list:", "${a}", "macros:", "- ", ": ", "[", "{", "\x00", "\u2028", "\u00e9", "sglang.launch_server",
    "--lora-modules", "--config", "# studio: {",
])
PLAIN = st.characters(codec="utf-8", exclude_characters="\r\0")
WORDS = st.lists(st.text(PLAIN, max_size=8), min_size=1, max_size=6)
TEXT = st.one_of(st.lists(PIECES, max_size=14).map(" ".join), st.lists(PIECES, max_size=14).map("".join), st.text(max_size=60))


@settings(max_examples=200, deadline=None)
@given(words=WORDS)
def test_what_was_quoted_is_one_word_again(words: list[str]) -> None:
    [simple] = Shell(f"run {shlex.join(words)}")
    assert simple.words == ["run", *words]


@settings(max_examples=400, deadline=None)
@given(text=TEXT, kind=st.sampled_from(["", *TEXTS]))
def test_any_text_is_a_recipe_or_an_error_in_words(text: str, kind: str) -> None:
    with contextlib.suppress(StudioError):
        answer(*read_text(text, kind, nothing))


@pytest.mark.parametrize("text", [
    f"vllm serve m --compilation-config '{'[' * 50_000}'", f"vllm serve m --max-model-len {'9' * 4000}",
    f"vllm serve m # studio: {'[' * 50_000}",
    f"vllm serve m --port {'9' * 5000}", f"vllm serve m --gpu-memory-utilization {'9' * 400}",
    "llama-server -m /x.gguf -c nan", "$(" * 50_000, "vllm serve m --tensor-parallel-size 1e999", "bash -c " * 200 + "x",
])
def test_what_is_too_much_for_a_value_stays_a_word(text: str) -> None:
    with contextlib.suppress(StudioError):
        _, found = read_text(text, "command", nothing)
        for one in found.recipes:
            written(one.recipe())


@pytest.mark.parametrize(("text", "commands"), [
    ("a b; c && d || e & f | g", [["a", "b"], ["c"], ["d"], ["e"], ["f"], ["g"]]),
    ("a 'b c' \"d $X\" e\\ f", [["a", "b c", "d v w", "e f"]]),
    ("a $X \"$X\" ${X} '$X'", [["a", "v", "w", "v w", "v", "w", "$X"]]),
    ("a $(b \"c)\" d) `e f` $Y ${Z:-z}", [["a", '$(b "c)" d)', "`e f`", "$Y", "z"]]),
    ("a > out 2>&1 < in b", [["a", "b"]]),
    ("a # b\nc#d", [["a"], ["c#d"]]),
    ("a \\\n  b\nc\n  --flag\n\n-x", [["a", "b"], ["c", "--flag"], ["-x"]]),
    ("a '' \"\"", [["a", "", ""]]),
    ("a $'x\\ty\\'z'", [["a", "x\ty'z"]]),
])
def test_commands(text: str, commands: list[list[str]]) -> None:
    assert [simple.words for simple in Shell(text, {"X": "v w"})] == commands
