"""REST against the table: what each cell should be answered, and what its answer may hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.running import API, PATIENCE
from tests.security.matrix_table import (
    ANSWERS_PEOPLE,
    BOOKING,
    PUBLIC_STATE,
    SESSION,
    STATUS_OF,
    Operation,
    Row,
    flags,
    sees_meeting,
    session_rows,
)
from tests.security.matrix_world import CALLERS, PASSWORD, PERSON, URL, Caller, Thing, World, standing
from tests.storm import Line

DRAFT = {"title": "A new session", "durationMinutes": 30}
BODIES: Mapping[Operation, bytes] = {("PATCH", "/{id}"): b'{"title": "Another title"}'}
JSON = {"Content-Type": "application/json"}
SHOWS_SESSION = {("PATCH", "/{id}"), ("DELETE", "/{id}"), ("PATCH", "/{id}/start"), ("PATCH", "/{id}/end")}
SHOWS_BOOKING = {("POST", "/{id}/book"), ("POST", "/{id}/join"), ("DELETE", "/{id}/book")}
STREAM = ("GET", "/{id}/events")


@dataclass(frozen=True, slots=True)
class Cell:
    """One request of the matrix."""

    operation: Operation
    caller: Caller
    thing: Thing
    row: Row

    @property
    def label(self) -> str:
        """For people."""
        return f"{' '.join(self.operation)} by {self.caller.name} of {self.thing.label}"

    @property
    def standing(self) -> str:
        """What the caller is to the session."""
        return standing(self.caller, self.thing)

    @property
    def expected(self) -> str:
        """The status, or the code of the refusal: what is not there is told to those who could see it if it were."""
        role, who = self.caller.role, self.row.who
        if self.thing.kind == "malformed":
            return "not_found"
        if who != "anyone" and role is None:
            return "unauthenticated"
        if who.removeprefix("its-") in ("expert", "student") and role != who.removeprefix("its-"):
            return "forbidden"
        if self.thing.kind == "missing":
            return "not_found"
        if who == "its-expert" and self.standing != "owner":
            return "not_session_owner"
        outcome = self.row.outcome(self.standing, self.thing.state)
        if outcome == "roster":
            return "200" if self.thing.visibility == "participants" else "forbidden"
        return outcome

    @property
    def status(self) -> int:
        """The status that is expected."""
        return int(self.expected) if self.expected.isdigit() else STATUS_OF[self.expected]

    @property
    def changes(self) -> bool:
        """Whether it may change anything."""
        return self.operation[0] != "GET" and self.expected.isdigit()


def cells(world: World, *operations: Operation) -> Iterator[Cell]:
    """Every cell of the operations on one session; of `operations` alone, if any are given."""
    for operation, row in session_rows().items():
        if not operations or operation in operations:
            for thing in world.things:
                for caller in CALLERS:
                    yield Cell(operation, caller, thing, row)


async def differences(world: World, line: Line, cell: Cell) -> list[str]:
    """How the hub differs from the table in one cell; what was rightly changed is put back."""
    status, text = await ask(world, line, cell)
    wrong = []
    got = code_of(text) if status >= 400 else str(status)
    if (status, got) != (cell.status, cell.expected):
        wrong.append(f"answered {status} {got}, not {cell.expected}")
    wrong += told_too_much(cell, status, text)
    if status < 400:
        wrong += wrong_content(cell, text)
    changed = world.changed()
    if changed:
        if not cell.changes:
            wrong.append(f"changed {sorted(changed)}")
        elif not {name for name in changed if name.isdigit()} <= {cell.thing.id}:
            wrong.append(f"changed another session: {sorted(changed)}")
        world.put_back()
    elif cell.changes:
        wrong.append("changed nothing")
    return [f"{cell.label}: {what}" for what in wrong]


async def ask(world: World, line: Line, cell: Cell) -> tuple[int, str]:
    """The status, and the body; of a stream the first message."""
    method, path = cell.operation
    target = API + path.replace("{id}", cell.thing.id)
    if cell.operation == STREAM and cell.status == 200:
        return await first_event(world.hub.port, target, cell.caller.headers)
    if cell.operation not in BODIES:
        status, body = await line.send(method, target, cell.caller.headers)
    else:
        status, body = await line.send(method, target, {**cell.caller.headers, **JSON}, BODIES[cell.operation])
    return status, body.decode()


async def first_event(port: int, target: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """What a stream says first."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            told = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "hub", **headers}.items())
            writer.write(f"GET {target} HTTP/1.1\r\n{told}\r\n".encode())
            status = int((await reader.readline()).split()[1])
            while not (said := await reader.readline()).startswith(b"data: "):
                assert said, "the stream ended before it said anything"
            return status, said.decode().removeprefix("data: ")
        finally:
            writer.close()


def code_of(text: str) -> str:
    """The code of a refusal."""
    try:
        return str(json.loads(text)["code"])
    except (ValueError, KeyError, TypeError):
        return "no problem"


def told_too_much(cell: Cell, status: int, text: str) -> list[str]:
    """Canaries in an answer that may not hold them."""
    wrong = []
    meeting = cell.operation == ("GET", "/{id}") and sees_meeting(cell.standing, cell.thing.state)
    if "canary" in text and not (meeting and status == 200):
        wrong.append("told where the session takes place")
    people = cell.operation[1] in ANSWERS_PEOPLE and cell.expected == "200"
    if (PERSON in text or "name-of-" in text) and not people:
        wrong.append("told who somebody is")
    return wrong


def wrong_content(cell: Cell, text: str) -> list[str]:
    """What an answer that was given holds beside, or short of, what it should."""
    if cell.operation == STREAM:
        return unlike("the state", set(json.loads(text)), PUBLIC_STATE)
    if cell.operation[1].endswith(".ics"):
        return [] if text.startswith("BEGIN:VCALENDAR") else ["no calendar"]
    if cell.operation[1].endswith(".csv"):
        return unlike("the attendance", [line.split(",")[0] for line in text.splitlines()[1:]], came(cell.thing))
    data = json.loads(text)["data"]
    if cell.operation == ("GET", "/{id}"):
        return wrong_detail(cell, data)
    if cell.operation in SHOWS_SESSION:
        return unlike("the session", set(data), SESSION)
    if cell.operation in SHOWS_BOOKING:
        return unlike("the booking", set(data), BOOKING)
    if cell.operation == ("GET", "/{id}/bookings"):
        return wrong_bookings(cell.thing, data)
    if cell.operation == ("GET", "/{id}/participants"):
        there = came(cell.thing) if cell.thing.state in ("open", "active") else []
        return unlike("who is present", [one["id"] for one in data], there)
    return unlike("the attendance", [one["id"] for one in data["people"]], came(cell.thing))


def came(thing: Thing) -> list[str]:
    """Who was there."""
    return [PERSON + "present"] if thing.state != "closed" else []


def wrong_detail(cell: Cell, data: dict[str, Any]) -> list[str]:
    """`GET /:id`: the caller's own members, their booking, and the meeting."""
    standing, state = cell.standing, cell.thing.state
    wrong = unlike("the session", set(data), SESSION | {"booking", "meeting"})
    wrong += wrong_flags(standing, state, data)
    meeting = {"url": URL, "password": PASSWORD} if sees_meeting(standing, state) else None
    wrong += unlike("meeting", data["meeting"], meeting)
    seat = {"present": "confirmed"}.get(standing, standing)
    booked = seat if seat in ("pending", "confirmed") else None
    return wrong + unlike("booking", data["booking"] and data["booking"]["status"], booked)


def wrong_flags(standing: str, state: str, data: Mapping[str, Any]) -> list[str]:
    """The caller's own members of a session."""
    expected = flags(standing, state)
    return unlike("flags", {name: data[name] for name in expected}, expected)


def wrong_bookings(thing: Thing, data: list[dict[str, Any]]) -> list[str]:
    """Who booked, as the owner sees it."""
    names = ["expired", "pending"] * (thing.price is not None) + ["confirmed", "present", "cancelled"]
    booked = sorted((one["student"]["id"], one["student"]["name"]) for one in data)
    return unlike("who booked", booked, sorted((PERSON + name, f"name-of-{name}") for name in names))


def unlike(what: str, found: Any, expected: Any) -> list[str]:
    """Nothing, or how they differ."""
    return [] if found == expected else [f"{what} is {found}, not {expected}"]


def listed(caller: Caller, world: World, data: list[dict[str, Any]]) -> list[str]:
    """How a list of sessions differs from what `caller` may see of each."""
    by_id = {thing.id: thing for thing in world.things}
    wrong = []
    for shown in data:
        thing = by_id[str(shown["id"])]
        wrong += unlike(f"members of {thing.label}", set(shown), SESSION)
        wrong += wrong_flags(standing(caller, thing), thing.state, shown)
    return wrong


def draft(world: World) -> dict[str, Any]:
    """A body for a new session."""
    return DRAFT | {"startsAt": (world.clock() + timedelta(minutes=30)).isoformat()}
