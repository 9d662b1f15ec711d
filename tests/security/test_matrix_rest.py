"""Every route by everyone about every kind of session, against the table (A1, A3)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from hub.domain import sessions
from hub.domain.people import Actor
from hub.web import rest as doors
from tests.security import matrix_rest as rest
from tests.security.matrix_table import BOOKING, SESSION, Operation
from tests.security.matrix_world import CALLERS, OWNER, PERSON, Caller, World, world
from tests.storm import Line

pytestmark = pytest.mark.asyncio(loop_scope="module")
figures = logging.getLogger("figures")

NOT_ONES_OWN = ("other's active paid participants", "missing 999999")
ONE_OF_EACH = ("related open paid participants", *NOT_ONES_OWN, "malformed abc")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="world")
async def built(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One for all tests here."""
    async with world(tmp_path_factory.mktemp("matrix")) as whole:
        yield whole


async def test_A1_every_cell_of_rest_is_answered_as_the_table_says_and_no_more_is_told(world: World) -> None:
    count, wrong = await compare(world, rest.cells(world))
    figures.info("the matrix of REST: %d cells, %d differences", count, len(wrong))
    assert wrong == []
    assert count > 4_000


async def compare(world: World, cells: Iterable[rest.Cell]) -> tuple[int, list[str]]:
    """How many cells there were, and what was wrong."""
    wrong: list[str] = []
    count = 0
    async with Line.to(world.hub.port) as line:
        for cell in cells:
            wrong += await rest.differences(world, line, cell)
            count += 1
    return count, wrong


async def test_A1_lists_hold_what_is_the_callers_own_and_tell_each_what_is_theirs(world: World) -> None:
    every = "?limit=100" + "".join(f"&status={status}" for status in ("scheduled", "active", "ended", "cancelled"))
    wrong: list[str] = []
    async with world.hub.http() as http:
        for caller in CALLERS:
            data = await ask(http, caller, f"/api/live-sessions{every}", 200)
            assert len(data) == sum(thing.is_session for thing in world.things)
            wrong += rest.listed(caller, world, data)
            data = await ask(http, caller, "/api/live-sessions/expert/my-sessions?limit=100", only("expert", caller))
            assert {one["expertId"] for one in data} == ({OWNER} if caller.name == "owner" else set())
            wrong += rest.listed(caller, world, data)
            data = await ask(http, caller, "/api/live-sessions/student/my-bookings?limit=100", only("student", caller))
            wrong += own_bookings(caller, world, data)
    assert wrong == []
    assert world.changed() == set()


def only(role: str, caller: Caller) -> int:
    """The status where a role is needed."""
    if caller.role is None:
        return 401
    return 200 if caller.role == role else 403


async def ask(http: httpx2.AsyncClient, caller: Caller, path: str, status: int) -> list[dict[str, Any]]:
    """What a list shows; nothing when it is refused. It names nobody, and no meeting."""
    answer = await http.get(path, headers=caller.headers)
    assert answer.status_code == status, answer.text
    assert "canary" not in answer.text
    assert PERSON not in answer.text
    data: list[dict[str, Any]] = answer.json().get("data", [])
    return data


def own_bookings(caller: Caller, world: World, data: list[dict[str, Any]]) -> list[str]:
    """How a list of bookings differs from what `caller` booked."""
    wrong = rest.listed(caller, world, [one["session"] for one in data])
    for one in data:
        wrong += rest.unlike("members of a booking", set(one), BOOKING | {"session"})
    related = [thing for thing in world.things if thing.kind == "related"]
    paid_alone = caller.seat in ("pending", "expired")
    booked = [thing.id for thing in related if thing.price is not None or not paid_alone]
    if caller.role != "student" or not caller.sub.startswith(PERSON) or caller.name == "nobody":
        booked = []
    return wrong + rest.unlike("bookings", sorted(str(one["sessionId"]) for one in data), sorted(booked))


async def test_A1_head_is_as_get_and_says_nothing(world: World) -> None:
    wrong = []
    async with world.hub.http() as http:
        for cell in rest.cells(world):
            method, path = cell.operation
            if method == "GET" and cell.operation != rest.STREAM and cell.thing.label in ONE_OF_EACH:
                url = "/api/live-sessions" + path.replace("{id}", cell.thing.id)
                answer = await http.head(url, headers=cell.caller.headers)
                if (answer.status_code, answer.content) != (cell.status, b""):
                    wrong.append(f"{cell.label}: {answer.status_code}")
    assert wrong == []


async def test_A1_who_is_not_an_expert_cannot_tell_a_missing_session_from_another_ones(world: World) -> None:
    """Sessions are public, so to experts they are told apart by contract; others are refused before anyone looks."""
    async with Line.to(world.hub.port) as line:
        for cell in rest.cells(world):
            if cell.row.who == "its-expert" and cell.caller.role != "expert" and cell.thing.label in NOT_ONES_OWN:
                status, text = await rest.ask(world, line, cell)
                twin = replace(cell, thing=replace(cell.thing, id="1"))
                assert (status, text.replace(cell.thing.id, "1")) == await rest.ask(world, line, twin)


async def test_A3_new_sessions_are_made_by_experts_and_payments_by_a_signature(world: World) -> None:
    async with world.hub.http() as http:
        for caller in CALLERS:
            answer = await http.post("/api/live-sessions", json=rest.draft(world), headers=caller.headers)
            status = only("expert", caller)
            assert answer.status_code == (201 if status == 200 else status), answer.text
            if status == 200:
                data = answer.json()["data"]
                assert set(data) == SESSION
                assert (data["expertId"], data["isExpert"]) == (caller.sub, True)
                assert {name for name in world.changed() if name != "users"} == {str(data["id"])}
                world.put_back()
            hook = await http.post("/api/payments/webhook", json={"type": "payment.succeeded"}, headers=caller.headers)
            assert (hook.status_code, hook.json()["code"]) == (400, "invalid_signature")
            assert world.changed() == set(), caller.name


BROKEN: dict[str, tuple[Any, str, Any, Operation, str]] = {
    "anyone owns a session": (sessions, "owns", lambda session, actor: None, ("PATCH", "/{id}"), "changed ["),
    "anyone sees the meeting": (sessions, "may_see_meeting", lambda *about: True, ("GET", "/{id}"), "takes place"),
    "anyone may see the roster": (
        doors,
        "may_see_roster",
        lambda *rule, **about: True,
        ("GET", "/{id}/participants"),
        "answered 200",
    ),
    "a seat is anyone's of that name": (Actor, "seats_of", property(lambda self: self.id), ("GET", "/{id}"), "flags"),
}
"""Each a rule of the hub, what takes its place, where that shows, and how it is told."""


@pytest.mark.parametrize("name", BROKEN)
async def test_a_rule_that_is_switched_off_is_seen(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, rule, broken, operation, said = BROKEN[name]
    monkeypatch.setattr(module, rule, broken)
    _, wrong = await compare(world, rest.cells(world, operation))
    assert [line for line in wrong if said in line]
