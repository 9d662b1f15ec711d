"""People who come and go at random: tabs opened, closed, lost and reloaded, seats booked and given back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.running import Client, Running, bearer
from tests.sockets import drop, inside
from tests.stored import until_visits


@dataclass
class Tab:
    """One open socket of a person; `joined` while it is in the session."""

    person: str
    client: Client
    stack: AsyncExitStack
    joined: bool = False


class Walk:
    """A seeded walk through one session; every one of `people` holds a seat when it begins."""

    def __init__(self, running: Running, session_id: int, chance: random.Random, people: Sequence[str]) -> None:
        self._running = running
        self._session_id = session_id
        self._chance = chance
        self._people = people
        self._seats = set(people)
        self._tabs: list[Tab] = []

    async def step(self) -> None:
        """One thing happens."""
        steps = [self._open, self._open, self._enter, self._enter, self._leave, self._lose, self._close, self._rebook]
        await self._chance.choice(steps)()

    async def settle(self) -> None:
        """Wait until what is stored and announced is who is here: every grace has run out."""
        expected = Counter(tab.person for tab in self._tabs if tab.joined)
        stays = Counter({"stays": 1}) + expected
        await until_visits(
            self._running,
            self._session_id,
            lambda rows: Counter(row.user for row in rows if row.left is None) == stays,
        )
        # A commit is on disk a moment before it is announced; what is answered later was announced later.
        await self._running.book(self._session_id, "last")

    async def end(self) -> None:
        """Everyone goes."""
        for tab in self._tabs:
            await tab.stack.aclose()

    async def _open(self) -> None:
        if len(self._tabs) < 10:
            person, stack = self._chance.choice(self._people), AsyncExitStack()
            client = await stack.enter_async_context(Client.at(self._running, person))
            tab = Tab(person, client, stack)
            self._tabs.append(tab)
            await self._join(tab)

    async def _enter(self) -> None:
        if self._tabs:
            await self._join(self._chance.choice(self._tabs))

    async def _join(self, tab: Tab) -> None:
        if tab.person in self._seats:
            await inside(tab.client, self._session_id)
            tab.joined = True
        else:
            refusal = await tab.client.ask(type="join", session=self._session_id)
            assert refusal["code"] == "not_booked"

    async def _leave(self) -> None:
        if self._tabs:
            tab = self._chance.choice(self._tabs)
            assert (await tab.client.ask(type="leave", session=self._session_id))["type"] == "ok"
            tab.joined = False

    async def _lose(self) -> None:
        if self._tabs:
            tab = self._gone()
            drop(tab.client)
            await tab.stack.aclose()

    async def _close(self) -> None:
        if self._tabs:
            await self._gone().stack.aclose()

    def _gone(self) -> Tab:
        return self._tabs.pop(self._chance.randrange(len(self._tabs)))

    async def _rebook(self) -> None:
        person = self._chance.choice(self._people)
        if person not in self._seats:
            await self._running.book(self._session_id, person)
            self._seats.add(person)
            return
        answer = await self._running.call("DELETE", f"/{self._session_id}/book", bearer(person))
        assert answer.status_code == 200
        self._seats.discard(person)
        for tab in self._tabs:
            if tab.person == person:
                tab.joined = False
