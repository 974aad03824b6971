"""Every path of vLLM Studio's Python era: the fields of its answer, and the issue that delivers it.

Rows of issue 2 are checked against real answers; a row of a later issue must not exist yet, so that this table stays true.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from studio_core import routes
from tests.core.control import RECIPE, Control, control

LATER = "later"


@dataclass(frozen=True)
class Row:
    """`fields` are those of the answer (of its items, if it is a list), dotted where nested; `issue` delivers it."""

    method: str
    path: str
    fields: str
    issue: int | str = 2
    body: Any = None


TABLE = (
    Row("GET", "/health", "status version inference_ready backend_reachable running_model"),
    Row("GET", "/status", "running process inference_port launching"),
    Row("GET", "/gpus", "gpus count"),
    Row("GET", "/config", "config services environment config.host config.port config.inference_port "
        "config.api_key_configured config.models_dir config.data_dir config.db_path services.name services.port "
        "services.internal_port services.protocol services.status services.description environment.controller_url"),
    Row("GET", "/recipes", "id name model_path backend tp pp tensor_parallel_size pipeline_parallel_size extra_args status"),
    Row("POST", "/recipes", "success id", body=RECIPE),
    Row("GET", "/recipes/{recipe_id}", "id name model_path backend tp pp served_model_name max_model_len"),
    Row("PUT", "/recipes/{recipe_id}", "success id", body=RECIPE),
    Row("DELETE", "/recipes/{recipe_id}", "success"),
    Row("POST", "/launch/{recipe_id}", "success pid message log_file"),
    Row("POST", "/evict", "success evicted_pid"),
    Row("GET", "/wait-ready", "ready elapsed error"),
    Row("GET", "/v1/models", "object data"),
    Row("GET", "/v1/models/{model:path}", "id owned_by"),
    Row("GET", "/v1/studio/models", "models roots configured_models_dir"),
    Row("POST", "/v1/chat/completions", "choices usage"),
    Row("POST", "/v1/tokenize", "tokens"),
    Row("POST", "/v1/detokenize", "prompt"),
    Row("POST", "/v1/count-tokens", "num_tokens model"),
    Row("POST", "/v1/tokenize-chat-completions", "input_tokens breakdown"),
    Row("POST", "/api/title", "title", LATER),
    Row("GET", "/chats", "id title model parent_id created_at updated_at"),
    Row("POST", "/chats", "session session.id session.title session.model", body={"title": "T"}),
    Row("GET", "/chats/{chat_id}", "session session.id session.messages"),
    Row("PUT", "/chats/{chat_id}", "success", body={"title": "U"}),
    Row("DELETE", "/chats/{chat_id}", "success"),
    Row("POST", "/chats/{chat_id}/messages", "id session_id role content model tool_calls request_prompt_tokens "
        "request_completion_tokens created_at", body={"content": "x"}),
    Row("GET", "/chats/{chat_id}/usage", "prompt_tokens", 5),
    Row("POST", "/chats/{chat_id}/fork", "session", 5),
    Row("GET", "/logs", "sessions"),
    Row("GET", "/logs/{log_id}", "id logs content"),
    Row("DELETE", "/logs/{log_id}", "success"),
    Row("GET", "/logs/{log_id}/stream", ""),
    Row("GET", "/events", ""),
    Row("GET", "/events/stats", "total_events_published channels total_subscribers"),
    Row("GET", "/metrics", ""),
    Row("GET", "/peak-metrics", "metrics"),
    Row("GET", "/lifetime-metrics", "tokens_total requests_total energy_wh energy_kwh uptime_seconds uptime_hours "
        "first_started_at kwh_per_million_tokens current_power_watts"),
    Row("POST", "/benchmark", "success model_id benchmark", LATER),
    Row("GET", "/usage", "totals.total_tokens totals.prompt_tokens totals.completion_tokens totals.total_requests "
        "totals.successful_requests totals.failed_requests totals.success_rate totals.unique_sessions totals.unique_users "
        "latency.avg_ms latency.p50_ms latency.p95_ms latency.p99_ms latency.min_ms latency.max_ms ttft.avg_ms ttft.p50_ms "
        "ttft.p95_ms ttft.p99_ms tokens_per_request.avg tokens_per_request.avg_prompt tokens_per_request.avg_completion "
        "tokens_per_request.max tokens_per_request.p50 tokens_per_request.p95 cache.hits cache.misses cache.hit_tokens "
        "cache.miss_tokens cache.hit_rate week_over_week.this_week week_over_week.last_week week_over_week.change_pct "
        "recent_activity.last_hour_requests recent_activity.last_24h_requests recent_activity.prev_24h_requests "
        "recent_activity.last_24h_tokens recent_activity.change_24h_pct peak_days peak_hours by_model daily hourly_pattern"),
    Row("GET", "/mcp/servers", "", LATER),
    Row("POST", "/mcp/servers", "", LATER),
    Row("GET", "/mcp/servers/{id}", "", LATER),
    Row("PUT", "/mcp/servers/{id}", "", LATER),
    Row("DELETE", "/mcp/servers/{id}", "", LATER),
    Row("POST", "/mcp/servers/{id}/enable", "", LATER),
    Row("POST", "/mcp/servers/{id}/disable", "", LATER),
    Row("GET", "/mcp/servers/{id}/tools", "", LATER),
    Row("GET", "/mcp/tools", "", LATER),
    Row("POST", "/mcp/tools/{server}/{tool}", "", LATER),
)
NOW = [row for row in TABLE if row.issue == 2]
KNOWN = {(row.method, row.path): row for row in routes.TABLE}
# What needs a running engine, the gateway, or has no end, is asked in the tests of those.
ELSEWHERE = {"/launch/{recipe_id}", "/v1/count-tokens", "/v1/tokenize-chat-completions", "/events", "/logs/{log_id}/stream",
             "/metrics", "/logs/{log_id}"}


@pytest.mark.parametrize("row", TABLE, ids=[f"{row.method} {row.path}" for row in TABLE])
def test_a_path_is_there_when_its_issue_delivers_it_and_absent_before(row: Row) -> None:
    assert ((row.method, row.path) in KNOWN) == (row.issue == 2)


ANSWERED = [row for row in NOW if KNOWN[row.method, row.path].answers == routes.CONTROLLER and row.path not in ELSEWHERE]


@pytest.mark.parametrize("row", ANSWERED, ids=[f"{row.method} {row.path}" for row in ANSWERED])
async def test_the_answer_has_its_fields(tmp_path: Path, row: Row) -> None:
    async with control(tmp_path) as house:
        path = await furnished(house, row.path)
        arguments = {} if row.body is None else {"json": row.body}
        answer = await house.owner.request(row.method, path, **arguments)
        assert answer.status_code == 200, answer.text
        for field in row.fields.split():
            assert has(answer.json(), field.split(".")), (field, answer.text)


async def furnished(house: Control, path: str) -> str:
    """A recipe and a chat to ask for; the path with their ids."""
    await house.owner.post("/recipes", json=RECIPE)
    chat = (await house.owner.post("/chats", json={})).json()["id"]
    if path == "/wait-ready":
        return "/wait-ready?timeout=0"
    return path.format(recipe_id="tiny", chat_id=chat)


def has(value: Any, path: list[str]) -> bool:
    """Whether the field is there; of a list, in every item, and there is one."""
    if isinstance(value, list):
        return bool(value) and all(has(one, path) for one in value)
    if not path:
        return True
    return isinstance(value, dict) and path[0] in value and (len(path) == 1 or has(value[path[0]], path[1:]))


async def test_usage_and_peaks_have_no_null_in_an_empty_house(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        for path in ("/usage", "/peak-metrics", "/peak-metrics?model_id=none", "/lifetime-metrics"):
            answer = await house.owner.get(path)
            assert answer.status_code == 200 and "null" not in answer.text, answer.text


async def test_gpus_have_their_memory_in_mb_beside_bytes(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        description = (await house.owner.get("/openapi.json")).json()
        fields = description["components"]["schemas"]["Gpu"]["properties"]
        assert {"memory_used", "memory_total", "memory_used_mb", "memory_total_mb"} <= set(fields)


async def test_head_is_answered_as_get_without_a_body(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        for path in ("/status", "/recipes", "/events"):
            answer = await house.owner.head(path)
            assert (answer.status_code, answer.content) == (200, b"")


async def test_secrets_are_not_in_the_configuration(tmp_path: Path) -> None:
    hidden = {"api_key": "sk-hidden", "engine_env": {"HF_TOKEN": "hf-hidden"}, "usage_dsn": "postgres://u:hidden@db/x"}
    async with control(tmp_path, **hidden) as house:
        answer = await house.owner.get("/config")
        assert "hidden" not in answer.text and "HF_TOKEN" in answer.text
        origins = {one["name"]: one["origin"] for one in answer.json()["settings"]}
        assert (origins["api_key"], origins["port"]) == ("command line", "default")
