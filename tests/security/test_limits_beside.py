"""A9: what stands beside REST counts too: the page, the references, figures, readiness, preflights, and nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub import readiness
from hub.store import schema
from hub.web import pages
from hub.web.gate import Beside
from tests.running import API, EXPERT, Running, running
from tests.security.test_limits_rates import told

ORIGIN = "https://lms.example"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
PLACES: dict[str, tuple[str, str, dict[str, str], int]] = {
    **{place.path: ("GET", place.path, {}, 200) for place in pages.PLACES if place.counted},
    "no file": ("GET", "/static/none.js", {}, 404),
    "nothing": ("GET", "/nothing/here", {}, 404),
    "nothing of REST": ("GET", "/api/nothing", {}, 404),
    "no socket": ("GET", "/ws", {}, 404),
    "another method": ("POST", "/docs", {}, 405),
    "a preflight": ("OPTIONS", f"{API}/1", PREFLIGHT, 200),
    "a refused preflight": ("OPTIONS", API, PREFLIGHT | {"Origin": "https://evil.example"}, 403),
}


@asynccontextmanager
async def limited(folder: Path, per_minute: int, **more: Any) -> AsyncIterator[Running]:
    async with running(folder, rate_limit=per_minute, **more) as hub:
        yield hub


@pytest.mark.parametrize("name", PLACES)
async def test_A9_what_stands_beside_rest_counts_by_address(tmp_path: Path, name: str) -> None:
    method, path, headers, status = PLACES[name]
    async with limited(tmp_path, 2, allowed_origins=frozenset({ORIGIN})) as hub, hub.http(**headers) as http:
        answers = [await http.request(method, path) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 429]
    assert [told(answer.headers)[0] for answer in answers] == [1, 0, 0]
    assert answers[2].headers["content-type"] == "application/problem+json"
    assert answers[2].json()["code"] == "rate_limited"
    assert told(answers[2].headers) == (0, int(answers[2].headers["retry-after"]))
    assert all(len(answer.headers.get_list("ratelimit")) == 1 for answer in answers)


@pytest.mark.parametrize("path", ["/docs", "/nothing/here", "/metrics"])
async def test_a_page_of_an_allowed_origin_may_read_that_it_is_too_much(tmp_path: Path, path: str) -> None:
    async with limited(tmp_path, 1, allowed_origins=frozenset({ORIGIN})) as hub, hub.http() as http:
        await http.get(path)
        allowed = await http.get(path, headers={"Origin": ORIGIN})
        other = await http.get(path, headers={"Origin": "https://evil.example"})
    assert [allowed.status_code, other.status_code] == [429, 429]
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert {"retry-after", "ratelimit"} <= set(allowed.headers["access-control-expose-headers"].split(", "))
    assert "Origin" in allowed.headers["vary"]
    assert "access-control-allow-origin" not in other.headers


async def test_A9_they_and_rest_without_a_token_are_one_account_and_a_person_has_another(tmp_path: Path) -> None:
    async with limited(tmp_path, 2) as hub, hub.http() as http:
        assert [(await http.get(path)).status_code for path in (API, "/docs", API, "/docs")] == [200, 200, 429, 429]
        assert (await http.get(API, headers=EXPERT)).status_code == 200


@pytest.mark.parametrize("origins", [frozenset[str](), frozenset({ORIGIN})])
@pytest.mark.parametrize("headers", [PREFLIGHT, {"Access-Control-Request-Method": "PATCH"}])
async def test_A9_no_request_counts_twice(tmp_path: Path, origins: frozenset[str], headers: dict[str, str]) -> None:
    async with limited(tmp_path, 9, allowed_origins=origins) as hub, hub.http(**headers) as http:
        answers = [await http.options(API) for _ in range(2)]

    assert [answer.headers.get_list("ratelimit")[0][:13] for answer in answers] == ['"default";r=8', '"default";r=7']
    assert all(len(answer.headers.get_list("ratelimit")) == 1 for answer in answers)


async def test_A9_a_class_behind_one_address_can_open_the_page(tmp_path: Path) -> None:
    async with limited(tmp_path, 2) as hub, hub.http() as http:
        statuses = {(await http.get("/static/app.js")).status_code for _ in range(5)}
        assert statuses == {200}
        assert told((await http.get("/")).headers)[0] == 1


async def test_A9_that_the_process_lives_can_be_asked_without_end(tmp_path: Path) -> None:
    async with limited(tmp_path, 1) as hub, hub.http() as http:
        for _ in range(9):
            answer = await http.get("/healthz")
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


async def test_control_without_the_count_they_are_answered_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Beside, "_counts_itself", lambda self, scope: True)
    async with limited(tmp_path, 1) as hub, hub.http() as http:
        assert {(await http.get("/docs")).status_code for _ in range(5)} == {200}


async def test_A9_the_reference_names_what_those_answers_say(alone: Running) -> None:
    async with alone.http() as http:
        paths: dict[str, Any] = (await http.get("/openapi.json")).json()["paths"]
    for place in pages.PLACES:
        answers = paths[place.path]["get"]["responses"]
        assert ("429" in answers) is place.counted
        assert all(("RateLimit" in answer.get("headers", {})) is place.counted for answer in answers.values())


# Readiness.


def counting(hub: Running, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was read of the database for readiness, from now on."""
    assert hub.hub is not None
    read, came = hub.hub.database.read, list[object]()

    async def counted(work: Any) -> Any:
        came.extend([work] if work is schema.behind else [])
        return await read(work)

    monkeypatch.setattr(hub.hub.database, "read", counted)
    return came


async def flood(hub: Running, requests: int) -> set[int]:
    async with hub.http() as http:
        return {answer.status_code for answer in await asyncio.gather(*(http.get("/readyz") for _ in range(requests)))}


async def test_A9_a_flood_of_readyz_costs_a_read_each_half_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 60.0)
    async with running(tmp_path) as hub:
        reads = counting(hub, monkeypatch)
        assert await flood(hub, 40) == {200}
        assert len(reads) <= 1  # it may have looked by itself just before


async def test_control_with_nothing_kept_each_is_a_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 0.0)
    async with running(tmp_path) as hub:
        reads = counting(hub, monkeypatch)
        assert await flood(hub, 40) == {200}
        assert len(reads) >= 40


async def test_what_is_kept_says_nothing_of_draining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "KEPT_SECONDS", 60.0)
    async with running(tmp_path) as hub:
        assert await flood(hub, 1) == {200}
        assert hub.hub is not None
        hub.hub.lobby.draining = True
        assert await flood(hub, 1) == {503}
        hub.hub.lobby.draining = False
        assert await flood(hub, 1) == {200}
