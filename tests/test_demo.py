"""The demo's till: it pays a person's own booking as a provider would, and only the demo has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.running import API, Running, bearer, free_port, kill, running, spawn

pytestmark = pytest.mark.asyncio(loop_scope="module")

Who = dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A demo that runs."""
    folder = tmp_path_factory.mktemp("demo")
    spawned = await spawn(folder, free_port(), command=("-m", "hub", "demo"))
    try:
        yield spawned
    finally:
        await kill(spawned)


async def somebody(http: httpx2.AsyncClient, role: str) -> Who:
    """A person of the demo, a student is a new one each time."""
    people = (await http.get("/demo/people")).json()["data"]
    return {"Authorization": f"Bearer {next(one['token'] for one in people if one['role'] == role)}"}


async def booked(http: httpx2.AsyncClient, who: Who, *, free: bool) -> tuple[int, dict[str, Any]]:
    """A seat in the first session that is free, or is not."""
    listed = (await http.get(API, params={"free": str(free).lower(), "available": "true"})).json()["data"]
    session = listed[0]["id"]
    answer = await http.post(f"{API}/{session}/book", headers=who)
    assert answer.status_code == 201, answer.text
    return session, answer.json()["data"]


async def test_who_pays_their_own_booking_has_the_seat_and_pays_once(demo: Running) -> None:
    async with demo.http() as http:
        student = await somebody(http, "student")
        session, booking = await booked(http, student, free=False)
        assert booking["status"] == "pending"

        paid = [await http.post("/demo/pay", json={"booking": booking["id"]}, headers=student) for _ in range(2)]

        assert [(one.status_code, one.json()["data"]["outcome"]) for one in paid] == [
            (200, "confirmed"),
            (200, "repeated"),
        ]
        seen = (await http.get(f"{API}/{session}", headers=student)).json()["data"]
        assert (seen["booking"]["status"], seen["canJoin"]) == ("confirmed", True)


async def test_nobody_pays_what_is_not_theirs_or_costs_nothing(demo: Running) -> None:
    async with demo.http() as http:
        student, other, expert = [await somebody(http, role) for role in ("student", "student", "expert")]
        _, booking = await booked(http, student, free=False)
        _, free = await booked(http, student, free=True)

        async def refused(who: Who, body: object) -> tuple[int, str]:
            answer = await http.post("/demo/pay", json=body, headers=who)
            return answer.status_code, answer.json()["code"]

        assert await refused({}, {"booking": booking["id"]}) == (401, "unauthenticated")
        assert await refused(bearer("student-1"), {"booking": booking["id"]}) == (401, "unauthenticated")
        assert await refused(expert, {"booking": booking["id"]}) == (403, "forbidden")
        assert await refused(other, {"booking": booking["id"]}) == (404, "not_found")
        assert await refused(student, {"booking": "nothing"}) == (404, "not_found")
        assert await refused(student, {"booking": free["id"]}) == (422, "invalid_input")
        wrong: list[object] = [[], {}, {"booking": 3}, {"booking": ""}, {"booking": booking["id"], "more": 1}]
        for body in wrong:
            assert await refused(student, body) == (422, "invalid_input")


async def test_a_hub_that_is_no_demo_has_no_till(tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.http(**bearer("s-1")) as http:
        assert (await http.post("/demo/pay", json={"booking": "b"})).status_code == 404


async def test_only_the_demos_page_is_told_to_ask_for_the_demos_people(demo: Running, tmp_path: Path) -> None:
    async with running(tmp_path) as hub, hub.http() as served, demo.http() as shown:
        assert "<html data-demo " in (await shown.get("/")).text
        page = (await served.get("/")).text
    assert "<html " in page
    assert "data-demo" not in page
