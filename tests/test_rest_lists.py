"""Lists over REST: which sessions, in what order, how many, and what happens beyond the last page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.conforming import ANN, PRICE, ask, got, refused
from tests.conftest import a_hub
from tests.running import API, EXPERT, OTHER_EXPERT, Client, Running, bearer, now

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="hub", params=["one", "two"])
async def hub_with_six(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """A hub with six sessions, named a to f in the order of their making; e has ended and f was called off."""
    async with a_hub(request, tmp_path_factory.mktemp("hub")) as hub:
        a = await hub.create(title="a Soil", startsAt=_in(50), courseId="c-1", description="100% clay_ey")
        b = await hub.create(OTHER_EXPERT, title="b Water", startsAt=_in(10), maxParticipants=1)
        await hub.create(title="c Sun", startsAt=_in(30), price=PRICE, courseId="c-1")
        d = await hub.create(title="d Soil again", startsAt=_in(20))
        e = await hub.create(title="e Past", startsAt=_in(0))
        f = await hub.create(title="f Off", startsAt=_in(40))
        await hub.book(b["id"], "ann")
        await hub.book(a["id"], "ann")
        await hub.start(e["id"])
        await ask(hub, "PATCH", f"/{e['id']}/end")
        await ask(hub, "DELETE", f"/{f['id']}")
        await hub.start(d["id"])
        async with Client.at(hub, "e-7", "expert") as host:
            await host.ask(type="join", session=d["id"])
            yield hub


BEGIN = now() + timedelta(minutes=30)
"""Late enough that all starts lie ahead when these tests have their turn."""


def _in(minutes: float) -> str:
    return (BEGIN + timedelta(minutes=minutes)).isoformat()


def letters(sessions: list[dict[str, Any]]) -> str:
    """The sessions by the first letter of their titles, in order."""
    return "".join(session["title"][0] for session in sessions)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "bdca"),
        ({"status": "scheduled"}, "bca"),
        ({"status": ["ended", "cancelled"]}, "ef"),
        ({"status": ["active", "active"]}, "d"),
        ({"courseId": "c-1"}, "ca"),
        ({"courseId": "c-2"}, ""),
        ({"expertId": "e-8"}, "b"),
        ({"free": "true"}, "bda"),
        ({"free": "false"}, "c"),
        ({"available": "true"}, "dca"),
        ({"available": "false"}, "b"),
        ({"startsAfter": _in(20)}, "dca"),
        ({"startsBefore": _in(20)}, "b"),
        ({"startsAfter": _in(20), "startsBefore": _in(40)}, "dc"),
        ({"q": "soil"}, "da"),
        ({"q": "SOIL"}, "da"),
        ({"q": "haddad"}, "b"),
        ({"q": "100%"}, "a"),
        ({"q": "y_e"}, "a"),
        ({"q": "%"}, "a"),
        ({"q": "c/d"}, ""),
        ({"q": "' OR 1=1 --"}, ""),
        ({"sort": "startsAt"}, "bdca"),
        ({"sort": "-startsAt"}, "acdb"),
        ({"sort": "createdAt"}, "abcd"),
        ({"sort": "-createdAt"}, "dcba"),
        ({"sort": "-live"}, "dcba"),
        ({"courseId": "c-1", "free": "true", "q": "clay"}, "a"),
        ({"colour": "red"}, "bdca"),
    ],
)
async def test_a_filter_finds_what_it_says(hub: Running, query: dict[str, Any], found: str) -> None:
    assert letters(await got(hub, "", {}, **query)) == found
    total = (await ask(hub, "GET", "", {}, params=query)).json()["pagination"]["total"]
    assert total == len(found)


@pytest.mark.parametrize(
    ("page", "limit", "found", "pages"),
    [(1, 2, "bd", 2), (2, 2, "ca", 2), (3, 2, "", 2), (1, 3, "bdc", 2), (2, 3, "a", 2), (1000000, 100, "", 1)],
)
async def test_pages_cut_the_list_and_beyond_the_end_there_is_nothing(
    hub: Running, page: int, limit: int, found: str, pages: int
) -> None:
    body = (await ask(hub, "GET", "", {}, params={"page": page, "limit": limit})).json()
    assert set(body) == {"success", "data", "pagination"}
    assert letters(body["data"]) == found
    assert body["pagination"] == {"page": page, "limit": limit, "total": 4, "totalPages": pages}


async def test_an_empty_list_has_no_pages(hub: Running) -> None:
    body = (await ask(hub, "GET", "", {}, params={"courseId": "nothing"})).json()
    assert body["pagination"] == {"page": 1, "limit": 10, "total": 0, "totalPages": 0}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "0"),
        ("page", "-1"),
        ("page", "one"),
        ("page", "1.5"),
        ("page", "99999999999999999999"),
        ("page", ["1", "2"]),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", ""),
        ("status", "asleep"),
        ("status", ["active", ""]),
        ("sort", "title"),
        ("free", "maybe"),
        ("available", ""),
        ("startsAfter", "yesterday"),
        ("startsBefore", "2025-08-25T12:14:00"),
        ("startsAfter", "0001-01-01T00:00:00+14:00"),
        ("q", ""),
        ("q", "x" * 201),
        ("q", "\x00"),
        ("courseId", ""),
    ],
)
async def test_a_wrong_query_is_named_by_its_pointer(hub: Running, name: str, value: Any) -> None:
    for path, headers in (("", {}), ("/expert/my-sessions", EXPERT)):
        body = await refused(hub, 422, "invalid_input", "GET", path, headers, params={name: value})
        assert [fault["pointer"].split("/")[1] for fault in body["errors"]] == [name]


async def test_a_query_that_is_no_utf_8_is_refused(hub: Running) -> None:
    async with hub.http() as http:
        response = await http.get(f"{API}?q=%ff")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


async def test_the_list_is_served_with_a_slash_at_its_end_too_and_for_every_method(hub: Running) -> None:
    async with hub.http() as http:
        with_slash = await http.get(f"{API}/")
        without = await http.get(API)
        refusal = await http.post(f"{API}/", json={})
        wrong = await http.put(f"{API}/")
    assert with_slash.status_code == 200
    assert with_slash.json() == without.json()
    assert refusal.json()["code"] == "unauthenticated"
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_the_list_shows_each_caller_their_own_side(hub: Running) -> None:
    for headers, mine, booked, joinable in (
        ({}, "", "", "dca"),
        (ANN, "", "ba", "bdca"),
        (bearer("ben"), "", "", "dca"),
        (EXPERT, "dca", "", "dca"),
        (OTHER_EXPERT, "b", "", "b"),
    ):
        shown = await got(hub, "", headers)
        assert letters([one for one in shown if one["isExpert"]]) == mine
        assert letters([one for one in shown if one["isBooked"]]) == booked
        assert letters([one for one in shown if one["canJoin"]]) == joinable
        assert all(one["canEdit"] == one["isExpert"] for one in shown)


async def test_a_wrong_token_is_refused_where_none_is_needed(hub: Running) -> None:
    await refused(hub, 401, "token_expired", "GET", "", bearer("ann", ttl=-5))
    await refused(hub, 401, "unauthenticated", "GET", "", {"Authorization": "Bearer nonsense"})


async def test_an_expert_sees_their_own_sessions_of_every_status(hub: Running) -> None:
    assert letters(await got(hub, "/expert/my-sessions")) == "edcfa"
    assert letters(await got(hub, "/expert/my-sessions", status="ended")) == "e"
    assert letters(await got(hub, "/expert/my-sessions", sort="-createdAt", q="soil")) == "da"
    assert letters(await got(hub, "/expert/my-sessions", expertId="e-8")) == "edcfa"
    assert letters(await got(hub, "/expert/my-sessions", OTHER_EXPERT)) == "b"
    assert await got(hub, "/expert/my-sessions", bearer("e-9", "expert")) == []


async def test_live_counts_people_who_are_present(hub: Running) -> None:
    (active,) = await got(hub, "", {}, status="active")
    assert (active["live"], active["peakLive"], active["participants"]) == (1, 1, 0)
