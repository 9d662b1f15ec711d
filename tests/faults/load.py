"""Fifty changes a second through two nodes: seats booked and cancelled, people coming and going, sessions run."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

from tests.running import API, EXPERT, Client, Running, bearer, draft, token
from tests.storm import Line

PACE_SECONDS = 0.32
"""Between two changes of one person: sixteen of them make fifty a second."""


@dataclass
class Busy:
    """The sessions: two changed through the first node alone, two through the second alone, two through both."""

    first: list[int]
    second: list[int]
    both: list[int]

    @classmethod
    async def make(cls, hub: Running) -> Self:
        """New ones."""
        ids = [(await hub.create(rosterVisibility="host"))["id"] for _ in range(6)]
        return cls(ids[:2], ids[2:4], ids[4:])

    @property
    def all(self) -> list[int]:
        """Every one."""
        return [*self.first, *self.second, *self.both]

    def through(self, node: int) -> list[int]:
        """Those that are changed through this node alone."""
        return self.second if node else self.first


@dataclass
class Load:
    """Who does it. `quiet` ends what goes through one node alone, `over` everything; whoever is inside then stays."""

    quiet: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    done: Counter[str] = field(default_factory=Counter)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def end(self) -> None:
        """Let everybody finish what they are at; raises what went wrong for them."""
        self.quiet.set()
        self.over.set()
        async with asyncio.timeout(15):
            await asyncio.gather(*self.tasks)


async def turns(over: asyncio.Event, seconds: float) -> AsyncIterator[None]:
    """A turn every so many seconds, until it is over."""
    while not over.is_set():
        yield
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), seconds)


async def _books(node: Running, session: int, name: str, load: Load, over: asyncio.Event) -> None:
    mine = token(name)
    async with Line.to(node.port) as line:
        async for _ in turns(over, 2 * PACE_SECONDS):
            for method, wanted in (("POST", 201), ("DELETE", 200)):
                answer = await line.ask(method, f"/{session}/book", mine)
                assert answer.status == wanted, answer
                load.done[f"{method} book"] += 1


async def _visits(client: Client, session: int, load: Load, over: asyncio.Event) -> None:
    kind = "leave"
    async for _ in turns(over, PACE_SECONDS):
        kind = "join" if kind == "leave" else "leave"
        answer = await client.ask(type=kind, session=session)
        assert answer["type"] == "ok", answer
        client.heard.clear()
        load.done[kind] += 1


async def _schedules(node: Running, load: Load) -> None:
    async with node.http(**EXPERT) as http:
        async for _ in turns(load.quiet, 4 * PACE_SECONDS):
            made: Any = await http.post(API, content=json.dumps(draft()), headers={"content-type": "application/json"})
            assert made.status_code == 201, made.text
            where = f"{API}/{made.json()['data']['id']}"
            for move in ("start", "end"):
                answer = await http.patch(f"{where}/{move}")
                assert answer.status_code == 200, answer.text
            load.done["status"] += 3


@asynccontextmanager
async def loaded(nodes: Sequence[Running], busy: Busy) -> AsyncIterator[Load]:
    """Change things through both nodes meanwhile; the sockets stay up to the end."""
    load = Load()
    async with AsyncExitStack() as stack:
        works = []
        for number, node in enumerate(nodes):
            works.append(_schedules(node, load))
            for session in [*busy.through(number), *busy.both]:
                over = load.over if session in busy.both else load.quiet
                visitor = f"visitor-{number}-{session}"
                await node.book(session, visitor)
                client = await stack.enter_async_context(Client.with_headers(node, bearer(visitor)))
                works.append(_visits(client, session, load, over))
                works.append(_books(node, session, f"booker-{number}-{session}", load, over))
        load.tasks += [asyncio.create_task(work) for work in works]
        try:
            yield load
            await load.end()
        finally:
            for task in load.tasks:
                task.cancel()
            await asyncio.gather(*load.tasks, return_exceptions=True)
