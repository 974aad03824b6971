"""What a stream says of itself is read the same way however its bytes were cut, and the client sees what the engine sent."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_core.gateway.observation import EVENT_BYTES, Observation, tokens

USAGE = {
    "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


class Told(NamedTuple):
    """What the journal is told."""

    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    finish: str | None
    chunks: int


def told(watch: Observation) -> Told:
    return Told(*tokens(watch.usage), watch.finish, watch.chunks)


def event(data: Any, end: str = "\n") -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}{end}{end}".encode()


def delta(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], "usage": None}


def stream(texts: list[str], end: str) -> tuple[list[bytes], bytes]:
    """The events, and the one that carries the usage."""
    shown = [*(event(delta(text), end) for text in texts), event(delta("", "stop"), end), f": ping{end}{end}".encode()]
    return [*shown, f"data: [DONE]{end}{end}".encode()], event({"choices": [], "usage": USAGE}, end)


@given(st.lists(st.text(max_size=20), max_size=6), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.data())
def test_any_split_is_read_the_same(texts: list[str], end: str, hide: bool, data: st.DataObject) -> None:
    shown, usage = stream(texts, end)
    whole = b"".join([*shown[:-1], usage, shown[-1]])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    watch = Observation(hide_usage=hide)
    seen = b"".join(watch.feed(whole[a:b]) for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)) + watch.end()
    assert seen == (b"".join(shown) if hide else whole)
    figures = told(watch)
    assert figures.prompt_tokens == 7
    assert figures.completion_tokens == 3
    assert figures.cached_tokens == 5
    assert figures.reasoning_tokens == 2
    assert figures.finish == "stop"
    assert figures.chunks == len(texts) + 1
    assert watch.done
    assert watch.at_boundary


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_garbage_passes_byte_for_byte(noise: bytes, cuts: list[int]) -> None:
    marks = sorted(min(cut, len(noise)) for cut in cuts)
    watch = Observation(hide_usage=True)
    seen = b"".join(watch.feed(noise[a:b]) for a, b in zip([0, *marks], [*marks, len(noise)], strict=True)) + watch.end()
    assert seen == noise


def test_an_endless_event_is_not_held() -> None:
    watch = Observation(hide_usage=True)
    piece = b"x" * 64 * 1024
    seen = b"".join(watch.feed(piece) for _ in range(40))
    assert len(seen) > len(piece) * 40 - EVENT_BYTES
    assert not watch.at_boundary
    tail = watch.feed(b"\n\n" + event(delta("a", "length")))
    assert seen + tail == piece * 40 + b"\n\n" + event(delta("a", "length"))
    assert watch.finish == "length"
    assert watch.at_boundary


def test_nothing_may_be_put_into_an_event() -> None:
    watch = Observation()
    watch.feed(b"data: {")
    assert not watch.at_boundary


@pytest.mark.parametrize("body", [
    {"usage": {"prompt_tokens": "many"}}, {"usage": {"prompt_tokens": 2**70}}, {"usage": {"prompt_tokens": -1}},
    {"usage": {"prompt_tokens_details": 3}}, {"choices": 3}, {"choices": [3]}, {"usage": []}, [1], "text", None,
])
def test_an_engine_may_say_anything(body: Any) -> None:
    watch = Observation()
    watch.feed(event(body))
    figures = told(watch)
    assert figures.prompt_tokens is None
    assert figures.cached_tokens is None


def test_an_error_in_the_stream_is_noted() -> None:
    watch = Observation()
    watch.feed(event({"error": {"message": "out of memory", "code": 500}}))
    assert watch.error is not None
    assert "out of memory" in watch.error
    assert watch.over


def test_an_answer_that_is_no_stream() -> None:
    watch = Observation()
    body = json.dumps({"choices": [{"finish_reason": "length"}], "usage": USAGE}).encode()
    watch.look(body[:10])
    watch.look(body[10:])
    watch.looked()
    assert told(watch).completion_tokens == 3
    assert watch.finish == "length"


def test_the_names_that_others_have_for_tokens() -> None:
    watch = Observation()
    usage = {"input_tokens": 4, "output_tokens": 9, "input_tokens_details": {"cached_tokens": 1}}
    watch.look(json.dumps({"usage": usage}).encode())
    watch.looked()
    figures = told(watch)
    assert (figures.prompt_tokens, figures.completion_tokens, figures.cached_tokens) == (4, 9, 1)


def named(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


ANTHROPIC = b"".join([
    named("message_start", message={"id": "m", "content": [], "stop_reason": None, "usage": {
        "input_tokens": 7, "output_tokens": 1, "cache_read_input_tokens": 5,
    }}),
    named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    named("content_block_delta", index=0, delta={"type": "text_delta", "text": 'a "usage": {"output_tokens": 9}'}),
    named("content_block_stop", index=0),
    named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 3}),
    named("message_stop"),
])
RESPONSES = b"".join([
    named("response.created", response={"id": "r", "status": "in_progress", "error": None, "usage": None}),
    named("response.output_text.delta", delta="hello"),
    named("response.completed", response={"id": "r", "status": "completed", "error": None, "usage": {
        "input_tokens": 7, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 5},
        "output_tokens_details": {"reasoning_tokens": 2},
    }}),
])


@given(st.sampled_from([(ANTHROPIC, None, "end_turn"), (RESPONSES, 2, "completed")]), st.data())
def test_other_apis_streams_tell_theirs_too_in_any_split(case: tuple[bytes, int | None, str], data: st.DataObject) -> None:
    whole, reasoning, finish = case
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    watch = Observation()
    seen = b"".join(watch.feed(whole[a:b]) for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)) + watch.end()
    found = told(watch)
    assert seen == whole
    assert (found.prompt_tokens, found.completion_tokens, found.cached_tokens, found.reasoning_tokens) == (7, 3, 5, reasoning)
    assert (found.finish, watch.error) == (finish, None)


@pytest.mark.parametrize(("body", "finish"), [
    ({"stop_reason": "max_tokens", "usage": {"input_tokens": 7, "output_tokens": 3}}, "max_tokens"),
    ({"status": "completed", "error": None, "usage": {"input_tokens": 7, "output_tokens": 3}}, "completed"),
])
def test_other_apis_whole_answers_tell_theirs_too(body: dict[str, Any], finish: str) -> None:
    watch = Observation()
    watch.look(json.dumps(body).encode())
    watch.looked()
    found = told(watch)
    assert (found.prompt_tokens, found.completion_tokens, found.finish) == (7, 3, finish)


def test_an_error_event_of_theirs_is_the_stream_s_error() -> None:
    for text in (named("error", error={"type": "overloaded_error", "message": "busy"}),
                 named("response.failed", response={"status": "failed", "error": {"message": "busy"}})):
        watch = Observation()
        watch.feed(text)
        assert watch.error is not None and "busy" in watch.error
