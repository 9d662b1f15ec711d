"""The people and the sessions of the matrix: everyone stands to every kind of session in each way that there is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import httpx2

from tests.conforming import PRICE, Clock, timed
from tests.running import API, EXPERT, Client, Running, bearer
from tests.security.matrix_table import STATES
from tests.sockets import inside
from tests.tables import TABLES, dump
from tests.test_rest_payments import WEBHOOK, said, signed

OWNER = "e-7"
URL, PASSWORD = "https://meet.example/canary-url", "canary-password"
PERSON = "id-of-"
"""Begins the id of each student, which like their names is shown to few."""
HOLD_MINUTES = 10
MALFORMED = ("abc", "-1", "1.0", "%EF%BC%91")
MISSING = "999999"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a token, or nobody in particular; `seat` is what they have in the sessions that concern them."""

    name: str
    role: str | None
    sub: str = ""
    seat: str = "none"

    @property
    def headers(self) -> Mapping[str, str]:
        """What says who it is."""
        return headers_of(self)


@cache
def headers_of(caller: Caller) -> Mapping[str, str]:
    """The token of `caller`, signed once."""
    return {} if caller.role is None else bearer(caller.sub, caller.role, f"name-of-{caller.name}")


def student(name: str, seat: str = "none") -> Caller:
    """A student by the seat that they have."""
    return Caller(name, "student", PERSON + name, seat)


PRESENT = student("present", "present")
CALLERS = (
    Caller("anonymous", None),
    student("nobody"),
    student("pending", "pending"),
    student("expired", "expired"),
    student("confirmed", "confirmed"),
    student("cancelled"),
    PRESENT,
    Caller("owner", "expert", OWNER),
    Caller("other", "expert", "e-8"),
    Caller("an expert called as who holds a seat", "expert", PERSON + "confirmed"),
    Caller("an expert called as who is present", "expert", PERSON + "present"),
    Caller("a student called as the owner", "student", OWNER),
)
BY_NAME = {caller.name: caller for caller in CALLERS}


@dataclass(frozen=True, slots=True)
class Thing:
    """What a path names: a session of one kind, or nothing."""

    id: str
    kind: str
    state: str = "closed"
    price: Mapping[str, Any] | None = None
    visibility: str = "participants"

    @property
    def is_session(self) -> bool:
        """Whether there is one."""
        return self.kind in ("related", "other's")

    @property
    def label(self) -> str:
        """For people."""
        price = "free" if self.price is None else "paid"
        return f"{self.kind} {self.state} {price} {self.visibility}" if self.is_session else f"{self.kind} {self.id}"


def standing(caller: Caller, thing: Thing) -> str:
    """What `caller` is to the session."""
    if caller.role is None:
        return "anonymous"
    if caller.role == "expert":
        return "owner" if thing.kind == "related" and caller.sub == OWNER else "stranger"
    if thing.kind != "related":
        return "none"
    paid = thing.price is not None
    seat = caller.seat if paid or caller.seat not in ("pending", "expired") else "none"
    if thing.state == "cancelled" and seat != "expired":
        return "none"
    return "confirmed" if seat == "present" and thing.state in ("closed", "ended") else seat


@dataclass
class World:
    """A hub with all of it. What a cell changed is put back, so that the next one meets the same."""

    hub: Running
    clock: Clock
    things: list[Thing]
    tables: sqlite3.Connection
    first: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    _version: int = 0

    def stays(self) -> None:
        """How it is now is how it shall be for every cell."""
        self.first = dump(self.hub.where)
        self._version = self._now()

    def _now(self) -> int:
        version: int = self.tables.execute("PRAGMA data_version").fetchone()[0]
        return version

    def changed(self) -> set[str]:
        """What was changed since: the tables, but for the sessions their ids. Cheap while nothing was."""
        version = self._now()
        if version == self._version:
            return set()
        self._version = version
        now = dump(self.hub.where)
        sessions = set(now["live_sessions"]) ^ set(self.first["live_sessions"])
        others = {name for name in TABLES[1:] if now[name] != self.first[name]}
        return others | {str(row[0]) for row in sessions}

    def put_back(self) -> None:
        """Undo what was changed."""
        self.tables.execute("BEGIN IMMEDIATE")
        for name, rows in self.first.items():
            self.tables.execute(f"DELETE FROM {name}")
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                self.tables.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        self.tables.execute("COMMIT")
        self._version = self._now()


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """The matrix's world, with who is present in their places."""
    async with timed(folder, hold_minutes=HOLD_MINUTES) as (hub, clock):
        async with hub.http() as http, AsyncExitStack() as stack:
            things = [await _session(http, clock, *kind) for kind in _kinds()]
            await _book(http, clock, [thing for thing in things if thing.kind == "related"])
            await _step(http, things, {"active": "PATCH /start", "ended": "PATCH /start"})
            tab = await stack.enter_async_context(Client.with_headers(hub, PRESENT.headers))
            for thing in things:
                if thing.kind == "related" and thing.state != "closed":
                    await inside(tab, int(thing.id))
            await _step(http, things, {"ended": "PATCH /end", "cancelled": "DELETE "})
            with _tables(hub.where) as tables:
                nowhere = [Thing(MISSING, "missing"), *(Thing(text, "malformed") for text in MALFORMED)]
                built = World(hub, clock, [*things, *nowhere], tables)
                built.stays()
                yield built


@contextmanager
def _tables(where: Any) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(where, isolation_level=None, timeout=10)) as tables:
        yield tables


def _kinds() -> Iterator[tuple[str, str, bool, str]]:
    yield from product(["related"], STATES, [False], ["participants", "host"])
    yield from product(["related", "other's"], STATES, [True], ["participants"])


async def _session(http: httpx2.AsyncClient, clock: Clock, kind: str, state: str, paid: bool, visibility: str) -> Thing:
    owner = EXPERT if kind == "related" else bearer("e-9", "expert")
    starts = clock() + timedelta(hours=9) if state == "closed" else clock() + timedelta(minutes=5 + HOLD_MINUTES)
    body = {
        "title": "A session",
        "startsAt": starts.isoformat(),
        "durationMinutes": 600,
        "price": PRICE if paid else None,
        "rosterVisibility": visibility,
        "meetingUrl": URL,
        "meetingPassword": PASSWORD,
    }
    answer = await http.post(API, json=body, headers=owner)
    assert answer.status_code == 201, answer.text
    return Thing(str(answer.json()["data"]["id"]), kind, state, body["price"], visibility)  # type: ignore[arg-type]  # as given


async def _book(http: httpx2.AsyncClient, clock: Clock, related: list[Thing]) -> None:
    """Seats of every kind: holds that shall run out come first."""
    paid = [thing for thing in related if thing.price is not None]
    for thing in paid:
        await _take(http, thing, BY_NAME["expired"])
    clock.go(minutes=HOLD_MINUTES)
    for thing in paid:
        await _take(http, thing, BY_NAME["pending"])
    for thing in related:
        for name in ("confirmed", "present", "cancelled"):
            booking = await _take(http, thing, BY_NAME[name])
            if thing.price is not None:
                await _pay(http, booking)
        gone = await http.delete(f"{API}/{thing.id}/book", headers=BY_NAME["cancelled"].headers)
        assert gone.status_code == 200, gone.text


async def _take(http: httpx2.AsyncClient, thing: Thing, caller: Caller) -> str:
    answer = await http.post(f"{API}/{thing.id}/book", headers=caller.headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["id"])


async def _pay(http: httpx2.AsyncClient, booking: str) -> None:
    body = json.dumps(said("succeeded", booking)).encode()
    answer = await http.post(WEBHOOK, content=body, headers=signed(body, f"m-{booking}"))
    assert answer.json() == {"outcome": "confirmed"}, answer.text


async def _step(http: httpx2.AsyncClient, things: list[Thing], steps: Mapping[str, str]) -> None:
    """Take the step of each state that has one."""
    for thing in things:
        if thing.state in steps:
            method, word = steps[thing.state].split(" ")
            owner = EXPERT if thing.kind == "related" else bearer("e-9", "expert")
            answer = await http.request(method, f"{API}/{thing.id}{word}", headers=owner)
            assert answer.status_code == 200, answer.text
