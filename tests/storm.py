"""Many requests at once over real sockets, what they were answered, and whether the tables agree with it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from tests.running import API, PATIENCE, Client, Running, token
from tests.tables import Where, ask

CONNECTIONS = 40


@dataclass(frozen=True)
class Answer:
    """A status, and the JSON that came with it."""

    status: int
    body: Any

    @property
    def what(self) -> str:
        """`201`, or `409 session_full`."""
        return f"{self.status} {self.body['code']}" if "code" in self.body else str(self.status)


class Line:
    """One keep-alive HTTP/1.1 connection; a tenth of the time that a whole client takes, so the hub is what is busy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Self]:
        """Connect."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def ask(self, method: str, path: str, bearer: str) -> Answer:
        """One request without a body; OSError or IncompleteReadError when the hub dies meanwhile."""
        status, body = await self.send(method, API + path, {"Authorization": f"Bearer {bearer}"})
        return Answer(status, json.loads(body))

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, bytes]:
        """One request as it is; the status, and the body, which must have a length."""
        told = {"Host": "hub", "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self._writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        async with asyncio.timeout(PATIENCE):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            lengths = [int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")]
            return int(lines[0].split()[1]), await self._reader.readexactly(lengths[0])


async def storm(port: int, requests: Iterable[tuple[str, str, str]]) -> list[Answer]:
    """All requests, (method, path, token), over CONNECTIONS connections at once."""
    waiting = list(requests)[::-1]
    answers: list[Answer] = []
    ready = asyncio.Barrier(CONNECTIONS)

    async def send() -> None:
        async with Line.to(port) as line:
            await ready.wait()
            while waiting:
                answers.append(await line.ask(*waiting.pop()))

    async with asyncio.timeout(6 * PATIENCE), asyncio.TaskGroup() as senders:
        for _ in range(CONNECTIONS):
            senders.create_task(send())
    return answers


def tokens(people: Iterable[str]) -> Mapping[str, str]:
    """A token for each of them."""
    return {person: token(person) for person in people}


def tally(answers: Iterable[Answer]) -> dict[str, int]:
    """How often each answer was given."""
    return dict(Counter(answer.what for answer in answers))


class Watched:
    """What a watcher of one session is told, in order."""

    def __init__(self, client: Client, session_id: int) -> None:
        self.states: list[dict[str, Any]] = []
        self._client = client
        self._session_id = session_id

    @classmethod
    @asynccontextmanager
    async def at(cls, hub: Running, session_id: int) -> AsyncIterator[Self]:
        """Watch meanwhile; what came is read by `until_now`."""
        async with Client.at(hub) as client:
            answer = await client.ask(type="watch", sessions=[session_id])
            assert answer["missing"] == [], answer
            yield cls(client, session_id)

    async def until_now(self, hub: Running) -> None:
        """Read on until the state that is stored now was told."""
        (revision,) = ask(hub.where, "SELECT revision FROM live_sessions WHERE id = ?", self._session_id)
        while not self.states or self.states[-1]["revision"] < revision:
            self.states.append(await self._client.expect("session"))


def seats_sold_once(where: Where, session_id: int) -> list[str]:
    """What is wrong with the seats: more sold than there are, two for one person, or counted other than they are."""
    wrong = []
    ((seats, confirmed),) = ask(where, "SELECT max_participants, confirmed FROM live_sessions WHERE id = ?", session_id)
    live = "FROM session_bookings WHERE session_id = ? AND status IN ('pending', 'confirmed')"
    (sold,) = ask(where, f"SELECT count(*) {live}", session_id)
    if seats is not None and sold > seats:
        wrong.append(f"oversold: {sold} of {seats}")
    if sold != confirmed:
        wrong.append(f"miscounted: {confirmed} for {sold}")
    for person, times in ask(
        where, f"SELECT user_id, count(*) {live} GROUP BY user_id HAVING count(*) > 1", session_id
    ):
        wrong.append(f"booked twice: {person} {times} times")
    return wrong


def people_counted(where: Where, session_id: int) -> list[str]:
    """What is wrong with the presence: a live count that is not the number of people with an open visit."""
    (live,) = ask(where, "SELECT live FROM live_sessions WHERE id = ?", session_id)
    open_visits = "FROM session_participants WHERE session_id = ? AND left_at IS NULL"
    (people,) = ask(where, f"SELECT count(DISTINCT user_id) {open_visits}", session_id)
    return [] if live == people else [f"live is {live} with {people} people there"]


def told_truly(where: Where, session_id: int, states: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with what a watcher was told: too many seats, a revision that does not grow, or another end."""
    wrong = []
    for before, state in pairwise(states):
        if state["revision"] <= before["revision"]:
            wrong.append(f"revision {state['revision']} after {before['revision']}")
    for state in states:
        if state["maxParticipants"] is not None and state["participants"] > state["maxParticipants"]:
            wrong.append(f"revision {state['revision']} shows {state['participants']} of {state['maxParticipants']}")
    (stored,) = ask(where, "SELECT revision, confirmed, live FROM live_sessions WHERE id = ?", session_id)
    told = tuple(states[-1][name] for name in ("revision", "participants", "live"))
    if told != stored:
        wrong.append(f"told {told}, stored {stored}")
    return wrong
