"""One session that everybody wants, through two nodes at once: seats, people and locks."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest

from hub.app import build
from hub.ledger import Ledger
from tests.faults.truth import Eye, until_same
from tests.listening import stopped, until_started
from tests.running import PATIENCE, Client, Place, Running, bearer, running_twice, settings_for, token
from tests.second import Second
from tests.servers import RedisServer
from tests.storm import Line, people_counted, seats_sold_once, storm, tally, tokens
from tests.tables import ask
from tests.unlocked import run_without_a_lock

figures = logging.getLogger("figures")

CHANGES = {"POST 201", "DELETE 200", "join ok", "leave ok"}
HOT_SECONDS = 30.0 if os.environ.get("HUB_TEST_LONG") == "1" else 5.0


@pytest.fixture
def place(fresh_postgres: str, redis_server: RedisServer, second: Second) -> Place:
    """Where both nodes meet."""
    return Place(fresh_postgres, redis_server.url(13), second)


def each(hub: Running) -> list[Running]:
    """Its two nodes."""
    return [Running((port,), hub.where) for port in hub.ports]


@asynccontextmanager
async def both_here(place: Place) -> AsyncIterator[list[Running]]:
    """Two nodes in this very process, where a test can take something away from both."""
    hubs = [build(settings_for(place.database, redis_url=place.redis)) for _ in range(2)]
    async with AsyncExitStack() as stack:
        nodes = []
        for hub in hubs:
            serving, task, listening = await until_started(hub)
            stack.push_async_callback(stopped, serving, task, listening)
            nodes.append(Running((listening.getsockname()[1],), place.database, hub))
        yield nodes


async def storm_both(nodes: Sequence[Running], session: int, people: int) -> dict[str, int]:
    """They book through both nodes at once; how often each answer was given."""
    crowd = list(tokens(f"s-{number}" for number in range(people)).values())
    halves = [
        storm(node.port, [("POST", f"/{session}/book", mine) for mine in crowd[half::2]])
        for half, node in enumerate(nodes)
    ]
    return tally(answer for answers in await asyncio.gather(*halves) for answer in answers)


async def test_of_five_hundred_for_ten_seats_through_two_nodes_ten_get_one_and_all_watchers_see_ten(
    place: Place,
) -> None:
    async with running_twice(place) as hub, AsyncExitStack() as stack:
        session = (await hub.create(maxParticipants=10))["id"]
        eyes = [await stack.enter_async_context(Eye.at(node, [session])) for node in each(hub)]
        answers = await storm_both(each(hub), session, 500)
        took = await until_same(place.database, eyes, PATIENCE)
        figures.info("500 for 10 seats through two nodes: %s, shown %.2f s after", answers, took)
        assert answers == {"201": 10, "409 session_full": 490}
        assert seats_sold_once(place.database, session) == []
        for eye in eyes:
            assert eye.followers[session].state["participants"] == 10
            assert max(seats for _, _, seats in eye.values.values()) == 10


async def test_control_decided_outside_the_lock_two_nodes_sell_more_seats_than_there_are(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "run", run_without_a_lock)
    async with both_here(place) as nodes:
        session = (await nodes[0].create(maxParticipants=10))["id"]
        answers = await storm_both(nodes, session, 150)

    assert answers["201"] > 10
    assert any(what.startswith("oversold") for what in seats_sold_once(place.database, session))


async def change_mind(node: Running, session: int, mine: str, over: float, done: Counter[str]) -> None:
    """Book and cancel, of few seats."""
    async with Line.to(node.port) as line:
        while asyncio.get_running_loop().time() < over:
            for method in ("POST", "DELETE"):
                answer = await line.ask(method, f"/{session}/book", mine)
                done[f"{method} {answer.what}"] += 1
                if answer.status not in (200, 201):
                    break


async def come_and_go(client: Client, session: int, over: float, done: Counter[str]) -> None:
    """Join and leave."""
    while asyncio.get_running_loop().time() < over:
        for kind in ("join", "leave"):
            answer = await client.ask(type=kind, session=session)
            done[f"{kind} {answer.get('code', 'ok')}"] += 1
        client.heard.clear()


async def test_two_nodes_that_change_one_session_as_fast_as_they_can_neither_deadlock_nor_miscount(
    place: Place,
) -> None:
    done = Counter[str]()
    async with running_twice(place) as hub, AsyncExitStack() as stack:
        session = (await hub.create(maxParticipants=45, rosterVisibility="host"))["id"]
        eyes = [await stack.enter_async_context(Eye.at(node, [session])) for node in each(hub)]
        works = []
        for number, node in enumerate(each(hub)):
            for someone in range(16):
                visitor = f"visitor-{number}-{someone}"
                await node.book(session, visitor)
                client = await stack.enter_async_context(Client.with_headers(node, bearer(visitor)))
                works.append(partial(come_and_go, client))
                works.append(partial(change_mind, node, mine=token(f"fickle-{number}-{someone}")))
        over = asyncio.get_running_loop().time() + HOT_SECONDS
        async with asyncio.timeout(HOT_SECONDS + PATIENCE):
            await asyncio.gather(*(work(session=session, over=over, done=done) for work in works))
        changes = sum(times for what, times in done.items() if what in CHANGES)
        took = await until_same(place.database, eyes, PATIENCE)
        figures.info("a hot session through two nodes: %.0f changes/s, shown %.2f s after", changes / HOT_SECONDS, took)
        assert done.keys() == CHANGES | {"POST 409 session_full"}
        assert people_counted(place.database, session) + seats_sold_once(place.database, session) == []
        assert ask(place.database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [0]
