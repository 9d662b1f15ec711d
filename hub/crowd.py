"""Simulated people for the demo: each books a seat, comes and goes over a real socket, and sometimes just vanishes."""

from __future__ import annotations

import asyncio
import random
import secrets
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Self

from hub.app import Hub
from hub.client import Refusal, connect
from hub.clock import utc_now
from hub.domain import booking
from hub.domain.model import Status
from hub.domain.people import Actor, Role
from hub.errors import HubError
from hub.store import lists
from hub.store.lists import SessionFilter
from hub.store.reads import Page
from hub.tokens import sign

FIRST = ("Abena", "Bilal", "Chipo", "Dina", "Emeka", "Fatma", "Gita", "Hana", "Imani", "Jonas", "Kofi", "Lina")
LAST = ("Achieng", "Boateng", "Costa", "Dlamini", "Eze", "Fofana", "Garcia", "Haile", "Ito", "Jansen")
SHORTEST_STAY = 4.0
LONGEST_STAY = 40.0


class Crowd:
    """`size` people, for as long as the context is open."""

    def __init__(self, hub: Hub, secret: str, size: int) -> None:
        self._hub = hub
        self._secret = secret
        self._size = size
        self._people: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Let them come, one after the other."""
        self._people = [asyncio.create_task(self._live(number)) for number in range(self._size)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Send them home."""
        for person in self._people:
            person.cancel()
        await asyncio.gather(*self._people, return_exceptions=True)

    async def _live(self, number: int) -> None:
        await asyncio.sleep(0.5 + random.random() * min(20.0, self._size / 10))
        name = f"{random.choice(FIRST)} {random.choice(LAST)}"
        actor = Actor(f"crowd-{number}", name, Role.STUDENT, utc_now() + timedelta(days=1))
        while True:
            session_id = await self._seat(actor)
            if session_id is not None:
                with suppress(Refusal):
                    await self._visit(actor, session_id)
            await asyncio.sleep(random.uniform(SHORTEST_STAY, LONGEST_STAY) / 2)

    async def _seat(self, actor: Actor) -> int | None:
        """A session that is on and has a seat for this person."""
        wanted = SessionFilter(statuses=(Status.ACTIVE,), free=True)
        read = partial(lists.sessions_page, wanted=wanted, page=Page(1, 20), now=utc_now(), viewer=actor.id)
        seen, _ = await self._hub.database.read(read)
        random.shuffle(seen)
        for one in seen:
            if one.booking is not None:
                return one.session.id
            book = partial(booking.book, actor=actor, booking_id=secrets.token_hex(16), hold=timedelta(minutes=15))
            with suppress(HubError):
                await self._hub.ledger.act(one.session.id, book, about=[actor.id])
                return one.session.id
        return None

    async def _visit(self, actor: Actor, session_id: int) -> None:
        settings = self._hub.settings
        token = partial(sign, self._secret, actor.id, actor.name, actor.role, ttl=timedelta(hours=1))
        async with connect(f"http://{settings.host}:{settings.port}", token=lambda: token(now=utc_now())) as hub:
            await hub.join(session_id)
            await asyncio.sleep(random.uniform(SHORTEST_STAY, LONGEST_STAY))
            if random.random() < 0.3:
                hub.abort()
