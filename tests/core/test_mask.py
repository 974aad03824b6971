"""No secret of a start comes through the shim's mask, wherever the pieces of its output are cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from studio_core.shim.mask import Mask

SECRET, OTHER = "ab12ab34ab12", "ab12ab"
TEXT = st.lists(st.sampled_from([SECRET, OTHER, "ab1", "a", "b", "12", "\n", "*", "x"]), max_size=30).map("".join)


def masked(text: str, cuts: list[int], *secrets: str) -> str:
    mask, data = Mask(secrets), text.encode()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [mask.feed(data[start:end]) for start, end in itertools.pairwise(edges)]
    return b"".join([*pieces, mask.rest()]).decode()


@given(TEXT, st.lists(st.integers(0, 1000), max_size=8))
def test_the_cuts_do_not_matter(text: str, cuts: list[int]) -> None:
    whole = masked(text, [], SECRET)
    assert masked(text, cuts, SECRET) == whole
    assert SECRET not in whole and len(whole) == len(text)
    assert [one for one, was in zip(whole, text, strict=True) if one not in (was, "*")] == []


def test_what_is_no_secret_is_left_as_it_is() -> None:
    text = "nothing here\nab12ab34ab1"
    assert masked(text, [5, 20], SECRET) == text


@given(TEXT, st.lists(st.integers(0, 1000), max_size=8))
def test_two_secrets_that_begin_alike(text: str, cuts: list[int]) -> None:
    found = masked(text, cuts, SECRET, OTHER)
    assert SECRET not in found and OTHER not in found and len(found) == len(text)
