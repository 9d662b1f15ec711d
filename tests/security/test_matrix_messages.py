"""Every message by everyone about every kind of session, against the table; and who one is, message by message (A1)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio

from hub.domain import presence
from hub.rooms import room as rooms
from hub.sockets.connection import Connection
from tests.running import EXPERT, OTHER_EXPERT, Client, Running, bearer, token
from tests.security import matrix_messages as messages
from tests.security.matrix_table import LISTING, message_rows
from tests.security.matrix_world import BY_NAME, CALLERS, Caller, World, standing, world
from tests.sockets import gather_heard, inside
from tests.stored import visits

pytestmark = pytest.mark.asyncio(loop_scope="module")
figures = logging.getLogger("figures")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="world")
async def built(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One for all tests here."""
    async with world(tmp_path_factory.mktemp("matrix")) as whole:
        yield whole


@pytest.fixture
def hub(world: World) -> Running:
    """The same hub, for tests that make sessions of their own."""
    return world.hub


async def compare(world: World, callers: Iterable[Caller], *kinds: str) -> tuple[int, list[str]]:
    """How many cells there were, and what was wrong. Each caller has a socket of their own."""
    count = 0
    wrong: list[str] = []
    for caller in callers:
        async with Client.with_headers(world.hub, caller.headers) as client:
            for said in messages.cells(world, caller, *kinds):
                wrong += await messages.differences(world, client, said)
                count += 1
    return count, wrong


async def test_A1_every_message_is_answered_as_the_table_says_and_no_more_is_told(world: World) -> None:
    count, wrong = await compare(world, CALLERS)
    figures.info("the matrix of messages: %d cells, %d differences", count, len(wrong))
    assert wrong == []
    assert count > 1_500


async def test_A1_another_persons_token_or_role_is_refused_on_a_socket_that_speaks_for_somebody(world: World) -> None:
    """And it goes on speaking for whom it spoke: the answers to a `join` are still theirs."""
    row, thing = message_rows()["join"], next(one for one in world.things if one.label.startswith("related open paid"))
    for caller in CALLERS[1:]:
        async with Client.with_headers(world.hub, caller.headers) as client:
            for other in CALLERS[1:]:
                answer = await client.ask(type="auth", token=other.headers["Authorization"].removeprefix("Bearer "))
                same = (caller.sub, caller.role) == (other.sub, other.role)
                assert answer.get("code", "ok") == ("ok" if same else "forbidden"), (caller.name, other.name)
            for bad in ("", "x", token(caller.sub, ttl=-60)):
                assert (await client.ask(type="auth", token=bad))["type"] == "error"
            joined = await client.ask(type="join", session=int(thing.id))
            assert joined.get("code", "ok") == row.outcome(standing(caller, thing), thing.state), caller.name
            await client.ask(type="leave", session=int(thing.id))
    world.stays()


async def test_A1_an_anonymous_socket_becomes_who_its_first_good_token_says(world: World) -> None:
    for caller in CALLERS[1:]:
        async with Client.at(world.hub) as client:
            assert (await client.ask(type="auth", token="x"))["code"] == "unauthenticated"
            answer = await client.ask(type="auth", token=caller.headers["Authorization"].removeprefix("Bearer "))
            assert (answer["user"], answer["role"]) == (caller.sub, caller.role)
    assert world.changed() == set()


async def test_A1_the_catalog_tells_everyone_the_same_and_nothing_of_the_meeting(hub: Running) -> None:
    for caller in (BY_NAME["anonymous"], BY_NAME["owner"], BY_NAME["nobody"]):
        async with Client.with_headers(hub, caller.headers) as client:
            await client.ask(type="watch", catalog=True)
            made = await hub.create(meetingUrl="https://meet.example/canary", meetingPassword="canary")
            told = (await client.expect("catalog"))["session"]
            assert told["id"] == made["id"]
            assert set(told) == LISTING


async def test_A1_a_seat_that_is_cancelled_takes_the_roster_with_it(hub: Running) -> None:
    session = (await hub.create())["id"]
    for sub in ("ann", "ben"):
        await hub.book(session, sub)
    async with Client.at(hub, "ben") as ben, Client.at(hub, "ann") as ann:
        await inside(ben, session)
        await inside(ann, session)
        await ann.expect("roster", session=session)
        await hub.call("DELETE", f"/{session}/book", bearer("ann"))
        assert (await ann.expect("error", session=session))["code"] == "not_booked"
        assert (await ann.ask(type="roster", session=session))["code"] == "forbidden"
        assert (await ann.ask(type="join", session=session))["code"] == "not_booked"
        ann.heard.clear()
        await ben.ask(type="leave", session=session)
        assert await gather_heard(ann) == []
        assert (await hub.call("GET", f"/{session}/participants", bearer("ann"))).status_code == 403


async def test_A1_a_host_who_watches_sees_names_without_being_there_and_another_expert_does_not(hub: Running) -> None:
    session = (await hub.create(rosterVisibility="host"))["id"]
    await hub.book(session, "ann")
    async with Client.at(hub, "ann") as ann:
        await inside(ann, session)
        async with Client.with_headers(hub, EXPERT) as host, Client.with_headers(hub, OTHER_EXPERT) as other:
            for client in (host, other):
                await client.ask(type="watch", sessions=[session])
                assert (await client.expect("session"))["live"] == 1
            assert [one["id"] for one in (await host.expect("roster"))["participants"]] == ["ann"]
            assert (await other.ask(type="roster", session=session))["code"] == "forbidden"
            assert await gather_heard(other) == []
    assert {visit.user for visit in visits(hub, session)} == {"ann"}


async def test_A1_leaving_is_for_ones_own_connection_alone(hub: Running) -> None:
    session = (await hub.create())["id"]
    await hub.book(session, "ann")
    async with Client.at(hub, "ann") as first, Client.at(hub, "ann") as second, Client.at(hub) as nobody:
        await inside(first, session)
        for client in (second, nobody):
            assert (await client.ask(type="leave", session=session))["type"] == "ok"
        assert (await nobody.ask(type="leave", session=999_999))["type"] == "ok"
        assert [visit.left for visit in visits(hub, session)] == [None]


async def test_A1_a_cancelled_session_is_watched_as_what_it_is(hub: Running) -> None:
    session = (await hub.create())["id"]
    await hub.book(session, "ann")
    await hub.call("DELETE", f"/{session}")
    for headers in ({}, bearer("ann"), OTHER_EXPERT):
        async with Client.with_headers(hub, headers) as client:
            assert (await client.ask(type="watch", sessions=[session]))["missing"] == []
            assert (await client.expect("session"))["status"] == "cancelled"
            assert await gather_heard(client) == []


async def test_a_rule_of_the_socket_that_is_switched_off_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(presence, "_may_join", lambda live, now, actor: None)
        _, wrong = await compare(world, [BY_NAME["nobody"]], "join")
    assert [line for line in wrong if "the answer is ok, not not_booked" in line]
    with monkeypatch.context() as broken:
        broken.setattr(rooms, "may_see_roster", lambda rule, **about: True)
        _, wrong = await compare(world, [BY_NAME["confirmed"]], "join")
    assert [line for line in wrong if "the second roster is shown" in line]
    with monkeypatch.context() as broken:
        broken.setattr(Connection, "_is_host", lambda self, room: True)
        _, wrong = await compare(world, [BY_NAME["other"]], "watch")
    assert [line for line in wrong if "heard {" in line]
