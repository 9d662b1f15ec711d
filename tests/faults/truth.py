"""What is stored against what is shown: looked at all the time, so that every delay between them has a length.

A `Truth` looks at the tables, an `Eye` at one node's socket; `longest` says how old a stored change got, at worst,
before the eye was shown it or something newer.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import psycopg

from tests.running import PATIENCE, Client, Running, bearer
from tests.sockets import Follower
from tests.tables import Where, ask

LOOK_SECONDS = 0.05
Moments = list[tuple[float, int]]
"""When, by this machine's monotonic clock, a revision or version was there for the first time; they grow."""

STORED = "SELECT id, revision, version, status, live, confirmed FROM live_sessions"
Values = tuple[str, int, int]
"""Status, people present, seats taken."""


class Truth:
    """The tables, looked at every LOOK_SECONDS: a change is taken to be as old as the look before it was seen."""

    def __init__(self) -> None:
        self.revisions: dict[int, Moments] = {}
        self.versions: dict[int, Moments] = {}
        self.values: dict[tuple[int, int], Values] = {}

    @classmethod
    @asynccontextmanager
    async def of(cls, url: str) -> AsyncIterator[Self]:
        """Look meanwhile; what is there already is known before this begins."""
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            truth = cls()
            known: dict[int, tuple[int, int]] = {}
            await truth._look(connection, known, 0.0)
            truth.revisions.clear()
            truth.versions.clear()
            looking = asyncio.create_task(truth._look_on(connection, known))
            try:
                yield truth
                assert not looking.done(), looking
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    async def _look_on(self, connection: psycopg.AsyncConnection, known: dict[int, tuple[int, int]]) -> None:
        before = time.monotonic()
        while True:
            now = time.monotonic()
            await self._look(connection, known, before)
            before = now
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, connection: psycopg.AsyncConnection, known: dict[int, tuple[int, int]], since: float) -> None:
        rows = await (await connection.execute(STORED)).fetchall()
        for session, revision, version, *values in rows:
            old_revision, old_version = known.get(session, (0, 0))
            known[session] = (revision, version)
            self.values[session, revision] = (values[0], values[1], values[2])
            if revision > old_revision:
                self.revisions.setdefault(session, []).append((since, revision))
            if version > old_version:
                self.versions.setdefault(session, []).append((since, version))


class Eye:
    """The host's socket at one node, on sessions with their rosters and on the catalog: what it is shown, and when."""

    def __init__(self, client: Client, sessions: Sequence[int]) -> None:
        self.revisions: dict[int, Moments] = {session: [] for session in sessions}
        self.versions: dict[int, Moments] = {}
        self.values: dict[tuple[int, int], Values] = {}
        self.followers = {session: Follower(session) for session in sessions}
        self._client = client

    @classmethod
    @asynccontextmanager
    async def at(cls, node: Running, sessions: Sequence[int]) -> AsyncIterator[Self]:
        """Look meanwhile."""
        async with Client.with_headers(node, bearer("e-7", "expert")) as client:
            eye = cls(client, sessions)
            await client.send({"type": "watch", "id": 1, "sessions": list(sessions), "catalog": True})
            looking = asyncio.create_task(eye._look_on())
            try:
                async with asyncio.timeout(PATIENCE):
                    while not all(follower.roster_revision for follower in eye.followers.values()):
                        assert not looking.done(), looking
                        await asyncio.sleep(LOOK_SECONDS)
                yield eye
                assert not looking.done(), looking
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    async def _look_on(self) -> None:
        while True:
            message = json.loads(await self._client.socket.recv())
            if message["type"] == "session":
                session, revision = message["session"], message["revision"]
                self.revisions[session].append((time.monotonic(), revision))
                self.values[session, revision] = (message["status"], message["live"], message["participants"])
            elif message["type"] == "catalog":
                listed = message["session"]
                self.versions.setdefault(listed["id"], []).append((time.monotonic(), listed["version"]))
            follower = self.followers.get(message.get("session")) if message["type"] != "catalog" else None
            if follower is not None and not follower.hear(message):
                follower.asks += 1
                await self._client.send({"type": "roster", "session": follower.session_id})


def longest(stored: dict[int, Moments], shown: dict[int, Moments], sessions: Iterable[int]) -> float:
    """For how many seconds at most something that is stored was not shown; for ever, if it never was."""
    worst = 0.0
    for session in sessions:
        seen = iter(shown.get(session, []))
        at, number = 0.0, 0
        for since, wanted in stored.get(session, []):
            while number < wanted:
                at, number = next(seen, (float("inf"), wanted))
            worst = max(worst, at - since)
    return worst


def untrue(truth: Truth, eyes: Iterable[Eye]) -> list[str]:
    """What was shown under a revision and was something else, in the table or to another eye."""
    values = dict(truth.values)
    wrong = []
    for eye in eyes:
        for what, shown in eye.values.items():
            if values.setdefault(what, shown) != shown:
                wrong.append(f"session {what[0]} at revision {what[1]} was {values[what]}, shown as {shown}")
    return wrong


def differences(url: Where, eye: Eye) -> list[str]:
    """Where what this eye was shown last is not what is stored now: states, rosters, and the catalog's versions."""
    stored: list[Any] = ask(url, STORED)
    wrong = []
    for session, revision, version, *values in stored:
        if session in eye.followers:
            follower = eye.followers[session]
            shown = eye.revisions[session][-1][1]
            if shown != revision or eye.values[session, shown] != tuple(values):
                wrong.append(
                    f"session {session} is {values} at {revision}, shown {eye.values[session, shown]} at {shown}"
                )
            there = set(
                ask(url, "SELECT user_id FROM session_participants WHERE session_id = ? AND left_at IS NULL", session)
            )
            if there != set(follower.people):
                wrong.append(f"in session {session} are {sorted(there)}, shown {sorted(follower.people)}")
        if session in eye.versions and eye.versions[session][-1][1] != version:
            wrong.append(f"session {session} is listed at {version}, told {eye.versions[session][-1][1]}")
    return wrong


async def until_same(url: Where, eyes: Sequence[Eye], patience: float) -> float:
    """Wait until nothing differs; how many seconds that took. AssertionError with what still differs then."""
    began = time.monotonic()
    while wrong := [what for eye in eyes for what in differences(url, eye)]:
        assert time.monotonic() - began < patience, wrong
        await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic() - began
