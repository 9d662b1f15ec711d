"""A body for the client's brain: it does what is said with lists, and time passes when a test says so."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from hub.client import Connection, Event
from hub.client.machine import Machine
from hub.client.messages import read
from hub.client.orders import Answered, Order, Say

E = TypeVar("E")
STARTS = "2025-08-25T12:14:00Z"
EXPIRES = "2025-08-25T13:14:00Z"


def state(session: int, revision: int, live: int = 0, status: str = "active") -> dict[str, Any]:
    """A `session` message."""
    return {
        "type": "session", "session": session, "revision": revision, "status": status, "live": live, "peakLive": live,
        "participants": 5, "maxParticipants": None, "startsAt": STARTS, "startedAt": None, "endedAt": None,
    }  # fmt: skip


def person(user: str) -> dict[str, Any]:
    """Someone who is present."""
    return {"id": user, "name": user.title(), "role": "student", "joinedAt": STARTS}


def whole(session: int, revision: int, *users: str) -> dict[str, Any]:
    """A `roster` message."""
    return {"type": "roster", "session": session, "revision": revision, "participants": [*map(person, users)]}


def change(session: int, previous: int, revision: int, joined: str = "", left: str = "") -> dict[str, Any]:
    """A `presence` message; users by blanks."""
    gone = [{"id": user} for user in left.split()]
    came = [*map(person, joined.split())]
    return {
        "type": "presence", "session": session, "revision": revision, "previous": previous, "joined": came, "left": gone
    }  # fmt: skip


class Body:
    """What the machine said, ordered and told, all in order; and what its `join` and `leave` were answered."""

    def __init__(self, *, with_tokens: bool = False, chance: float = 0.5) -> None:
        self.now = 1_000.0
        self.chance = chance
        self.pongs = True
        """Whether the hub answers pings."""
        self.machine = Machine(with_tokens=with_tokens, chance=lambda: self.chance)
        self.said: list[dict[str, Any]] = []
        self.told: list[Event] = []
        self.orders: list[Order] = []
        self.answers: dict[int, Answered] = {}
        self.machine.begin(self.now)
        self.pump()

    def pump(self) -> None:
        """Do what is to be done."""
        for effect in self.machine.take(self.now):
            if isinstance(effect, Say):
                self.said.append(json.loads(effect.text))
            elif isinstance(effect, Order):
                self.orders.append(effect)
            elif isinstance(effect, Answered):
                self.answers[effect.number] = effect
            else:
                self.told.append(effect)

    def hear(self, *messages: Mapping[str, Any] | str, **members: Any) -> None:
        """Messages come: each whole, or its type with members."""
        for message in messages:
            whole = {"type": message, **members} if isinstance(message, str) else message
            understood = read(json.dumps(whole).encode())
            assert understood is not None, whole
            self.machine.received(understood, self.now)
            self.pump()

    def later(self, seconds: float) -> None:
        """Time passes; the machine is called when it wanted to be."""
        end, calls = self.now + seconds, 0
        while (due := max(self.now, self.machine.due)) <= end and due != math.inf:
            self.now = due
            self.machine.tick(self.now)
            self.pump()
            if self.pongs and self.said and self.said[-1]["type"] == "ping":
                self.hear("pong", id=self.said.pop()["id"])
            calls += 1
            assert calls < 100, "it would be called for ever"
        self.now = end

    def welcome(self) -> None:
        """The hub is there."""
        self.hear("welcome", connection="c", serverTime=STARTS, protocol=1)

    def token(self, token: str | None) -> None:
        """The token that was asked for."""
        self.machine.token(token, self.now)
        self.pump()

    def ok(self, asked: Mapping[str, Any], **members: Any) -> None:
        """The answer to something said."""
        self.hear("ok", id=asked["id"], **members)

    def accept(self, asked: Mapping[str, Any]) -> None:
        """The answer to `auth`."""
        self.ok(asked, user="ann", role="student", expiresAt=EXPIRES)

    def refuse(self, asked: Mapping[str, Any], code: str, message: str = "No.") -> None:
        """The other answer."""
        self.hear("error", id=asked["id"], code=code, message=message)

    def close(self, code: int, told: float = 0.0) -> None:
        """The connection ends."""
        self.machine.closed(code, self.now, "", told)
        self.pump()

    def last(self, kind: str) -> dict[str, Any]:
        """What was said last of a type."""
        return [one for one in self.said if one["type"] == kind][-1]

    def of(self, kind: type[E]) -> list[E]:
        """What was told of a kind."""
        return [one for one in self.told if isinstance(one, kind)]

    def join(self, session: int) -> int:
        """Ask to be in a session."""
        number = self.machine.join(session, self.now)
        self.pump()
        return number

    def enter(self, session: int) -> int:
        """Be in it: asked, and answered."""
        number = self.join(session)
        self.ok(self.last("join"), participant=f"v{session}", meeting=None)
        return number

    def watch(self, *sessions: int) -> None:
        """Follow sessions."""
        self.machine.watch(sessions)
        self.pump()

    @property
    def connection(self) -> Connection:
        """How it is."""
        return self.machine.connection


def opened(**how: Any) -> Body:
    """A machine whose connection is open: with tokens, as ann by the token `one`."""
    body = Body(**how)
    body.welcome()
    if how.get("with_tokens"):
        body.token("one")
        body.accept(body.last("auth"))
    assert body.connection.name == "open"
    return body
