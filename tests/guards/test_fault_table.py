"""The network's fault matrix, N1 to N19: which test proves each row. A row without its test, or a test that is gone, fails."""

from __future__ import annotations

import ast

import pytest

from tests.guards import source

# Row → fault, and the tests that prove it, as file:function. The figures stand in the tests; `slow` runs the real values.
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "N1": ("slow loris", (
        "faults/test_gateway_client_fault.py:test_who_sends_a_byte_at_a_time_is_cut_and_disturbs_nobody",
    )),
    "N2": ("half-open peer", (
        "faults/test_gateway_network.py:test_a_peer_whose_packets_are_swallowed",
        "faults/test_gateway_network.py:test_a_peer_that_is_stopped",
    )),
    "N3": ("large bodies and lies about them", (
        "faults/test_gateway_load.py:test_a_large_prompt_goes_through_and_its_memory_comes_back",
        "faults/test_gateway_load.py:test_a_large_prompt_is_hardly_later_than_without_us",
        "faults/test_gateway_load.py:test_a_lie_about_a_gigabyte_is_refused_before_it_comes",
    )),
    "N4": ("bodies that are no request", (
        "faults/test_gateway_relay.py:test_bad_bodies_are_refused_in_openais_shape_and_written_down",
        "faults/test_bad_input.py:test_a_body_that_is_no_request",
        "faults/test_gateway_fuzz.py:test_no_body_makes_an_error_of_ours",
    )),
    "N5": ("many streams", (
        "faults/test_gateway_load.py:test_many_streams_are_whole_written_down_and_scraped",
        "faults/test_gateway_load.py:test_streams_of_a_minute",
    )),
    "N6": ("slow reader", (
        "faults/test_gateway_client_fault.py:test_a_client_that_does_not_read_costs_at_most_a_mebibyte",
        "faults/test_gateway_client_fault.py:test_a_stream_for_who_reads_slowly_is_whole",
    )),
    "N7": ("client gone in each phase", (
        "faults/test_gateway_client_fault.py:test_who_leaves_ends_his_work_and_nobody_else_s",
        "faults/test_abandoned.py:test_the_last_client_leaves",
        "faults/test_abandoned.py:test_one_that_is_queued_is_forgotten_with_its_last_client",
    )),
    "N8": ("a crowd gone at once", (
        "faults/test_gateway_client_fault.py:test_a_crowd_that_leaves_at_once_does_not_hold_up_the_loop",
    )),
    "N9": ("silence before the first token", ("faults/test_gateway_load.py:test_silence_before_the_first_token_is_filled",)),
    "N10": ("engine dies in a stream", (
        "faults/test_gateway_relay.py:test_an_engine_that_dies_in_a_stream_is_said_and_not_done",
        "faults/test_gateway_openai.py:test_a_death_in_a_stream_is_an_exception_and_no_end",
    )),
    "N11": ("engine says garbage", (
        "faults/test_gateway_load.py:test_garbage_of_an_engine_is_passed_on_or_cut_and_costs_no_memory",
        "core/test_gateway_upstream.py:test_a_bad_answer_is_never_whole_and_its_connection_never_used_again",
    )),
    "N12": ("herd on a cold model", (
        "faults/test_gateway_process.py:test_a_hundred_requests_for_a_cold_model_make_one_acquire",
    )),
    "N13": ("two models in turn", (
        "faults/test_switch_traffic.py:test_requests_that_alternate_between_two_models_and_a_switch_that_fails",
    )),
    "N14": ("a switch fails", (
        "faults/test_switch_traffic.py:test_requests_that_alternate_between_two_models_and_a_switch_that_fails",
    )),
    "N15": ("queue full", ("faults/test_gateway_load.py:test_a_full_queue_says_so_at_once",)),
    "N16": ("smuggling", (
        "core/test_gateway_inbox.py:test_what_is_not_plain_is_refused_and_is_the_last",
        "core/test_gateway_inbox.py:test_any_split_gives_the_same_requests",
    )),
    "N17": ("retries", (
        "faults/test_gateway_relay.py:test_a_connection_that_the_engine_closed_meanwhile_is_tried_once_more",
        "core/test_gateway_upstream.py:test_a_used_connection_that_closes_before_a_byte_came_is_stale_and_only_then",
    )),
    "N18": ("nginx in front", (
        "faults/test_gateway_load.py:test_nginx_with_its_own_defaults_does_not_hold_back_the_first_byte",
    )),
    "N19": ("scrapes under load", (
        "faults/test_gateway_load.py:test_many_streams_are_whole_written_down_and_scraped",
        "faults/test_gateway_load.py:test_streams_of_a_minute",
    )),
}


def test_every_row_is_there() -> None:
    assert list(ROWS) == [f"N{number}" for number in range(1, 20)]


@pytest.mark.parametrize("row", ROWS)
def test_its_tests_are_there(row: str) -> None:
    fault, tests = ROWS[row]
    assert fault and tests
    for one in tests:
        name, _, function = one.partition(":")
        tree = source.tree(source.ROOT / "tests" / name)
        assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}, one
