"""W6, W9: what ends on sockets that are open: tokens, seats and sessions, on every node; and how many may be open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from httpx2 import Response

from tests.rfc6455.conftest import DRIVERS
from tests.running import SECRET, Client, Running, bearer, now, running, token
from tests.sockets import dial, ended, inside, refused
from tests.stored import Row, until_visits, visits
from tests.ws.test_slow_readers import until

figures = logging.getLogger("figures")
two = pytest.mark.parametrize("hub", ["two"], indirect=True)
ENDED = "token_expired"
WITHIN = 2.0
"""Seconds from the cancellation's answer to the last of those who have left, wherever they are."""
SLACK = timedelta(milliseconds=5)
"""PostgreSQL's clock, as a process knows it, is not ours."""


def nodes(hub: Running) -> list[Running]:
    """Each process by itself."""
    return [Running((port,), hub.where) for port in hub.ports]


def ending_at(end: datetime, sub: str, **more: Any) -> str:
    """A student's token that ends at any instant."""
    claims = {"sub": sub, "role": "student", "name": sub, "exp": end.timestamp()} | more
    return jwt.encode(claims, SECRET, algorithm="HS256")


def soon(seconds: float = 1.0) -> datetime:
    """An instant to come, of whole milliseconds."""
    return datetime.fromtimestamp(round(now().timestamp() + seconds, 3), UTC)


@asynccontextmanager
async def joined(places: Sequence[Running], session: int, sub: str = "ann") -> AsyncIterator[list[Client]]:
    """This person, present in the session with a socket at each of these places."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client.at(place, sub)) for place in places]
        for client in clients:
            await inside(client, session)
        yield clients


@two
async def test_W6_who_does_not_renew_leaves_at_that_instant_on_either_node(hub: Running) -> None:
    session = (await hub.create())["id"]
    end = soon()
    async with AsyncExitStack() as stack:
        clients = []
        for place, sub in zip(nodes(hub), ("ann", "ben"), strict=True):
            await hub.book(session, sub)
            client = await stack.enter_async_context(Client.at(place))
            assert (await client.ask(type="auth", token=ending_at(end, sub)))["type"] == "ok"
            await inside(client, session)
            clients.append(client)
        assert [await ended(client) for client in clients] == [4401, 4401]
        assert now() + SLACK >= end
    found = await until_visits(hub, session, lambda rows: all(row.left for row in rows))
    assert {(row.user, row.left, row.reason) for row in found} == {
        (sub, end, "token_expired") for sub in ("ann", "ben")
    }


async def test_W6_a_renewal_that_ends_earlier_shortens_the_stay(alone: Running) -> None:
    session = (await alone.create())["id"]
    await alone.book(session, "ann")
    end = soon(0.5)
    async with Client.at(alone, "ann") as client:
        await inside(client, session)
        answer = await client.ask(type="auth", token=ending_at(end, "ann"))
        assert datetime.fromisoformat(answer["expiresAt"]) == end
        assert await ended(client) == 4401
    (visit,) = await until_visits(alone, session, lambda rows: rows[0].left is not None)
    assert (visit.left, visit.reason) == (end, ENDED)


async def test_W6_what_is_refused_renews_nothing(alone: Running) -> None:
    session = (await alone.create())["id"]
    await alone.book(session, "ann")
    end = soon()
    later = end + timedelta(hours=1)
    forged = jwt.encode({"sub": "ann", "role": "student", "exp": later}, "x" * 32, algorithm="HS256")
    others = [forged, "", ending_at(later, "ben"), ending_at(later, "ann", role="expert"), token("ann", ttl=-5)]
    async with Client.at(alone) as client:
        await client.ask(type="auth", token=ending_at(end, "ann"))
        await inside(client, session)
        codes = [(await client.ask(type="auth", token=other))["code"] for other in others]
        assert codes == ["unauthenticated", "unauthenticated", "forbidden", "forbidden", "token_expired"]
        assert await ended(client) == 4401
    (visit,) = await until_visits(alone, session, lambda rows: rows[0].left is not None)
    assert (visit.user, visit.left) == ("ann", end)


async def told(client: Client, session: int) -> float:
    """Wait for the end of the join; the loop's time then."""
    news = await client.expect("error", session=session)
    assert (news["id"], news["code"]) == (None, "not_booked")
    return asyncio.get_running_loop().time()


async def all_told(clients: Sequence[Client], session: int, cancelling: Awaitable[Response]) -> float:
    """Cancel, and wait WITHIN seconds at most until each of them has left; the seconds from the request to the last."""
    begun = asyncio.get_running_loop().time()
    assert (await cancelling).status_code == 200
    async with asyncio.timeout(WITHIN):
        return max(await asyncio.gather(*(told(client, session) for client in clients))) - begun


def cancelled(rows: list[Row]) -> bool:
    """Whether all of these are over, and for that reason."""
    return {row.reason for row in rows} == {"cancelled"}


@two
async def test_W6_a_cancelled_booking_ends_its_joins_on_every_node(hub: Running) -> None:
    session = (await hub.create())["id"]
    for sub in ("ann", "ben"):
        await hub.book(session, sub)
    places = nodes(hub)
    took = []
    async with joined(places, session, "ben") as others, Client.at(places[0], "e-7", "expert") as host:
        await host.ask(type="watch", sessions=[session])
        for place in places:  # where it is cancelled
            async with joined([*places, *places], session) as clients:
                cancelling = place.call("DELETE", f"/{session}/book", bearer("ann"))
                took.append(await all_told(clients, session, cancelling))
                await host.expect("presence", left=[{"id": "ann"}])
                for client in clients:
                    assert (await client.ask(type="join", session=session))["code"] == "not_booked"
                    assert (await client.ask(type="roster", session=session))["code"] == "forbidden"
                assert cancelled([row for row in visits(hub, session) if row.user == "ann"])
            await hub.book(session, "ann")
        assert [row.left for row in visits(hub, session) if row.user == "ben"] == [None] * len(others)
    figures.info("a cancelled booking: all 4 sockets on 2 nodes told within %s ms", [round(t * 1000) for t in took])


@two
async def test_W6_a_cancelled_session_ends_its_joins_on_every_node(hub: Running) -> None:
    people = [f"p-{number}" for number in range(10)]
    took = []
    for place in nodes(hub):  # where it is cancelled
        session = (await hub.create())["id"]
        async with AsyncExitStack() as stack:
            clients = []
            for person in people:
                await hub.book(session, person)
                clients += await stack.enter_async_context(joined(nodes(hub), session, person))
            took.append(await all_told(clients, session, place.call("DELETE", f"/{session}")))
            assert cancelled(visits(hub, session))
            refusals = [(await client.ask(type="join", session=session))["code"] for client in clients]
            assert set(refusals) <= {"not_booked", "not_active"}
    figures.info("a cancelled session: all 20 sockets on 2 nodes told within %s ms", [round(t * 1000) for t in took])


drivers = pytest.mark.parametrize("driver", DRIVERS)


@drivers
async def test_W9_the_process_and_an_address_hold_so_many_and_no_refusal_is_counted(
    tmp_path: Path, driver: str
) -> None:
    serving_as = DRIVERS[driver]
    async with running(tmp_path, serving_as=serving_as, max_connections=3, max_connections_per_address=2) as hub:
        elsewhere = {"X-Forwarded-For": "192.0.2.7"}  # believed of a proxy on this machine
        for _ in range(3):  # all of it is freed each time
            async with dial(hub), dial(hub):
                for _ in range(3):
                    assert (await refused(hub))[0] == 429
                    assert (await refused(hub, headers=elsewhere, origin="https://evil.example"))[0] == 403
                async with dial(hub, headers=elsewhere):
                    status, problem, headers = await refused(hub, headers={"X-Forwarded-For": "192.0.2.8"})
                    assert (status, problem["code"], headers["retry-after"]) == (503, "unavailable", "5")
                async with dial(hub, headers=elsewhere) as client:
                    await client.expect("welcome")
            await gone(hub)


async def gone(hub: Running) -> None:
    """Wait until no socket is counted any more."""
    assert hub.hub is not None
    total = hub.hub.lobby.total
    await until(lambda: not total.here(None))


@drivers
async def test_W9_a_person_is_counted_when_it_says_who_it_is_and_once_for_a_socket(tmp_path: Path, driver: str) -> None:
    async with running(tmp_path, max_connections_per_person=2, serving_as=DRIVERS[driver]) as hub:
        assert hub.hub is not None
        people = hub.hub.lobby.people
        async with Client.at(hub) as first, Client.at(hub), Client.at(hub, "ann") as second:
            assert people.here("ann") == 1
            for _ in range(5):  # renewing is no second socket
                assert (await second.ask(type="auth", token=token("ann")))["type"] == "ok"
            assert people.here("ann") == 1
            assert (await first.ask(type="auth", token=token("ann", ttl=-5)))["code"] == "token_expired"
            assert people.here("ann") == 1
            assert (await first.ask(type="auth", token=token("ann")))["type"] == "ok"
            for headers in (bearer("ann"), bearer("ann", name="Another name")):
                async with dial(hub, headers=headers) as third:
                    assert await ended(third) == 4429
            assert people.here("ann") == 2
            async with Client.at(hub, "ben") as other:
                assert (await other.ask(type="ping"))["type"] == "pong"
        await gone(hub)
        assert people.here("ann") == people.here("ben") == 0
