"""A connection is lost between commit and answer: whoever asked gets, or finds, the one booking that was made."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import pytest

from hub.store.postgresql import PostgresDatabase
from tests.faults.truth import Eye, until_same
from tests.proxy import Direction, Proxy
from tests.running import API, PATIENCE, Client, Place, Running, running_twice, token
from tests.second import Second
from tests.servers import PostgresServer, RedisServer
from tests.storm import Answer, Line, seats_sold_once
from tests.tables import ask

figures = logging.getLogger("figures")

TIMES = 100 if os.environ.get("HUB_TEST_LONG") == "1" else 40
COMMIT = b"COMMIT\0"
LIVE = "SELECT id FROM session_bookings WHERE session_id = ? AND user_id = ? AND status = 'confirmed'"


@dataclass
class Scene:
    """Two nodes behind a proxy before their database, a session, and who looks at it at both."""

    hub: Running
    node: Running
    proxy: Proxy
    session: int
    eyes: list[Eye]
    where: str


@pytest.fixture
def scene_of(postgres_server: PostgresServer, fresh_postgres: str, redis_server: RedisServer, second: Second) -> Place:
    """Where both nodes meet, past the proxy."""
    return Place(fresh_postgres, redis_server.url(14), second)


@asynccontextmanager
async def scene(place: Place, server: PostgresServer) -> AsyncIterator[Scene]:
    """Everything runs."""
    async with Proxy(server.port, server.host) as proxy, AsyncExitStack() as stack:
        parts = urlsplit(place.database)
        behind = parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl()
        hub = await stack.enter_async_context(running_twice(replace(place, database=behind)))
        nodes = [Running((port,), place.database) for port in hub.ports]
        session = (await hub.create())["id"]
        eyes = [await stack.enter_async_context(Eye.at(node, [session])) for node in nodes]
        yield Scene(replace(hub, where=place.database), nodes[0], proxy, session, eyes, place.database)


class Commit:
    """Says which chunk is the COMMIT of what is done about one person."""

    def __init__(self, person: str) -> None:
        self._person = person.encode()
        self._near = False

    def __call__(self, direction: Direction, chunk: bytes) -> bool:
        """Whether it is this one."""
        if direction == "to_server":
            self._near = self._near or self._person in chunk
            return self._near and COMMIT in chunk
        return False


async def book_and_lose(on: Scene, times: int, *, forward: bool) -> tuple[list[Answer], list[str], float]:
    """Book for so many people, the connection cut at each commit; answers, what is wrong, and the longest wait."""
    answers, wrong, worst = [], [], 0.0
    async with Line.to(on.node.port) as line:
        for number in range(times):
            person = f"person-{number:03}-"
            cut = on.proxy.cut_when(Commit(person), forward=forward)
            since = time.monotonic()
            answers.append(await line.ask("POST", f"/{on.session}/book", token(person)))
            worst = max(worst, time.monotonic() - since)
            assert cut.is_set(), "the commit went by uncut"
            stored = await asyncio.to_thread(ask, on.where, LIVE, on.session, person)
            if answers[-1].status == 201 and stored != [answers[-1].body["data"]["id"]]:
                wrong.append(f"{person} was told {answers[-1].body['data']['id']}, stored {stored}")
    return answers, wrong, worst


@pytest.mark.parametrize("forward", [True, False], ids=["after the commit", "before the commit"])
async def test_a_commit_whose_answer_is_lost_is_asked_for_and_one_that_did_not_arrive_is_made_again(
    scene_of: Place, postgres_server: PostgresServer, forward: bool
) -> None:
    async with scene(scene_of, postgres_server) as on:
        answers, wrong, worst = await book_and_lose(on, TIMES, forward=forward)
        assert Counter(answer.what for answer in answers) == {"201": TIMES}
        assert wrong == []
        assert seats_sold_once(on.where, on.session) == []
        assert ask(on.where, "SELECT confirmed, revision - 1 FROM live_sessions") == [(TIMES, TIMES)]
        healed = await until_same(on.where, on.eyes, PATIENCE)
        assert on.hub.hub is not None
        # One that compares between the commit and the question what became of it finds it first.
        assert on.hub.hub.comparing.healed <= TIMES // 10, "what was committed was not announced"
        when = "after" if forward else "before"
        figures.info(
            "connection cut %s the commit, %d times: 201 within %.2f s, told %.2f s later", when, TIMES, worst, healed
        )


async def test_control_without_asking_what_became_of_it_a_booking_meets_itself(
    scene_of: Place, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(database: PostgresDatabase, xid: str | None, until: float) -> bool:
        return False

    monkeypatch.setattr(PostgresDatabase, "_was_committed", never)  # in this process, which is the one that is asked
    async with scene(scene_of, postgres_server) as on:
        answers, _, _ = await book_and_lose(on, 5, forward=True)
    assert {answer.what for answer in answers} == {"409 already_booked"}


@asynccontextmanager
async def lost_join(on: Scene) -> AsyncIterator[Client]:
    """Someone whose join was committed and never answered, as nobody could tell in time; the database is back."""
    assert on.hub.hub is not None
    await on.node.book(on.session, "ghost")
    async with Client.at(on.node, "ghost") as ghost:
        commit = Commit("ghost")

        def gone(direction: Direction, chunk: bytes) -> bool:
            if commit(direction, chunk):
                on.proxy.refuse()
                return True
            return False

        cut = on.proxy.cut_when(gone, forward=True)
        asking = asyncio.create_task(ghost.ask(type="join", session=on.session))
        async with asyncio.timeout(2 * PATIENCE):
            await cut.wait()
            on.proxy.cut()
            answer = await asking
        on.proxy.accept()
        assert answer["code"] == "unavailable"
        assert "may have been done" in answer["message"]
        assert len(await asyncio.to_thread(ask, on.where, "SELECT id FROM session_participants")) == 1
        yield ghost


async def until_open(on: Scene, count: int) -> None:
    """Until so many visits are open, and so many people counted."""
    query = "SELECT live, (SELECT count(*) FROM session_participants WHERE left_at IS NULL) FROM live_sessions"
    async with asyncio.timeout(2 * PATIENCE):
        while await asyncio.to_thread(ask, on.where, query) != [(count, count)]:  # noqa: ASYNC110  nobody is told
            await asyncio.sleep(0.05)


async def test_a_join_of_which_nobody_knows_what_became_leaves_no_ghost(
    scene_of: Place, postgres_server: PostgresServer
) -> None:
    async with scene(scene_of, postgres_server) as on:
        async with lost_join(on) as ghost:
            await until_open(on, 0)
            joined = await ghost.ask(type="join", session=on.session)
            stored = await asyncio.to_thread(ask, on.where, "SELECT id FROM session_participants WHERE left_at IS NULL")
            assert stored == [joined["participant"]]
            assert (await ghost.ask(type="leave", session=on.session))["type"] == "ok"
            await until_open(on, 0)


async def lose_the_answer(node: Running, path: str, bearer: str, seconds: float) -> None:
    """Send a request, and abort the connection so much later."""
    _, writer = await asyncio.open_connection("127.0.0.1", node.port)
    head = f"POST {API}{path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {bearer}\r\nContent-Length: 0\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    await asyncio.sleep(seconds)
    writer.transport.abort()


async def test_one_who_lost_the_answer_finds_the_one_booking_by_asking_again(
    scene_of: Place, postgres_server: PostgresServer
) -> None:
    chance, found = random.Random(4), Counter[str]()
    async with scene(scene_of, postgres_server) as on, AsyncExitStack() as stack:
        other = Running((on.hub.ports[1],), on.where)
        lines = [await stack.enter_async_context(Line.to(node.port)) for node in (on.node, other)]
        for number in range(TIMES):
            person = f"person-{number:03}-"
            mine = token(person)
            path = f"/{on.session}/book"
            await lose_the_answer((on.node, other)[number % 2], path, mine, chance.uniform(0, 0.006))
            answer = await lines[chance.randrange(2)].ask("POST", path, mine)
            found[answer.what] += 1
            told = answer.body["data"] if answer.status == 201 else answer.body["booking"]
            assert ask(on.where, LIVE, on.session, person) == [told["id"]], json.dumps(answer.body)
        await until_same(on.where, on.eyes, PATIENCE)
        assert seats_sold_once(on.where, on.session) == []
        assert ask(on.where, "SELECT confirmed FROM live_sessions") == [TIMES]
    figures.info("clients who lost the answer and asked again: %s", dict(found))
    assert found.keys() <= {"201", "409 already_booked"}
    assert found["409 already_booked"] > 0, "no answer was lost after the commit"
