"""Those who drive the fault tests: guests who come and go and write down what they know, and a host who looks on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Self, TypeVar

from tests.faults.checker import Log, Stay, Told
from tests.faults.light import Light
from tests.running import PATIENCE

T = TypeVar("T")
AT_ONCE = 40


async def crowd(work: Iterable[Awaitable[T]], at_once: int = AT_ONCE) -> list[T]:
    """Do it all, so many at a time."""
    turn = asyncio.Semaphore(at_once)

    async def one(some: Awaitable[T]) -> T:
        async with turn:
            return await some

    async with asyncio.timeout(6 * PATIENCE):
        return await asyncio.gather(*map(one, work))


class Guest:
    """One tab of a person in one session."""

    def __init__(self, log: Log, session: int, person: str) -> None:
        self.log = log
        self.session = session
        self.person = person
        self.port = 0
        self.socket: Light
        self.stay: Stay

    async def connect(self, port: int) -> None:
        """Open the socket; OSError when nobody is there."""
        self.port = port
        self.socket = await Light.at(port, self.person)

    async def enter(self) -> None:
        """Join on it. ConnectionError when it goes meanwhile: the log knows that there was no answer."""
        key = (self.session, self.person)
        self.log.unanswered[key] += 1
        answer = await self.socket.ask(type="join", session=self.session)
        assert answer["type"] == "ok", answer
        self.log.unanswered[key] -= 1
        self.stay = Stay(answer["participant"], self.session, self.person)
        self.log.stays[self.stay.visit] = self.stay

    async def join(self, port: int) -> Self:
        """Both."""
        await self.connect(port)
        await self.enter()
        return self

    async def join_any(self, ports: Iterable[int]) -> Self:
        """Join where somebody is, the first port first, as through a balancer."""
        async with asyncio.timeout(2 * PATIENCE):
            while True:
                for port in ports:
                    try:
                        return await self.join(port)
                    except OSError:
                        await asyncio.sleep(0.05)

    async def leave(self) -> None:
        """Leave, and be told so."""
        self.stay.end("left")
        answer = await self.socket.ask(type="leave", session=self.session)
        assert answer["type"] == "ok", answer
        self.socket.drop()

    async def drop(self) -> None:
        """Go without a word."""
        self.stay.end("disconnected")
        self.socket.drop()

    async def close(self) -> None:
        """Close the page."""
        self.stay.end("disconnected")
        self.socket.close()


class Host:
    """The session's expert, who watches: over one socket after the other, everything in order."""

    def __init__(self, log: Log, session: int, name: str = "the host") -> None:
        self.told = Told(name, session)
        log.watchers.append(self.told)
        self.people: set[str] = set()
        self.joined: list[str] = []
        self.left: list[str] = []
        self.codes: list[int | None] = []
        self.socket: Light
        self._roster = 0
        self._heard = asyncio.Event()

    @property
    def lives(self) -> list[int]:
        """The counts told so far."""
        return [live for socket in self.told.sockets for _, live in socket]

    async def watch(self, port: int) -> Self:
        """Look on there from now on."""
        self.told.sockets.append([])
        self.socket = await Light.at(port, "e-7", "expert", self._hear)
        answer = await self.socket.ask(type="watch", sessions=[self.told.session])
        assert answer["missing"] == [], answer
        return self

    async def keep_watching(self, ports: Iterable[int]) -> None:
        """Come back whenever the socket is gone, when told to if that was said; until cancelled."""
        while True:
            self.codes.append(await asyncio.shield(self.socket.closed))
            await asyncio.sleep(self.socket.reconnect_in or 0)
            async with asyncio.timeout(2 * PATIENCE):
                while self.socket.closed.done():
                    for port in ports:
                        try:
                            await self.watch(port)
                            break
                        except OSError:
                            await asyncio.sleep(0.05)

    async def until(self, true: Callable[[], bool], seconds: float = 2 * PATIENCE) -> None:
        """Wait until it is true after something was heard."""
        try:
            async with asyncio.timeout(seconds):
                while not true():
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            last = self.lives[-1:], len(self.people)
            raise AssertionError(f"within {seconds:g} s it never came to be; last told: {last}") from None

    async def until_live(self, people: int, seconds: float = 2 * PATIENCE) -> None:
        """Wait until so many are present, by count and by name."""
        await self.until(lambda: self.lives[-1:] == [people] and len(self.people) == people, seconds)

    def _hear(self, message: dict[str, Any]) -> None:
        kind, session = message["type"], self.told.session
        if kind == "session":
            self.told.sockets[-1].append((message["revision"], message["live"]))
        elif kind == "roster":
            there = {someone["id"] for someone in message["participants"]}
            self._see(there - self.people, self.people - there, message["revision"])
        elif message["previous"] != self._roster:
            self.socket.send({"type": "roster", "session": session})
        else:
            came = {someone["id"] for someone in message["joined"]}
            self._see(came - self.people, {someone["id"] for someone in message["left"]}, message["revision"])
        self._heard.set()

    def _see(self, came: set[str], went: set[str], revision: int) -> None:
        self._roster = revision
        self.joined += came
        self.left += went
        self.people = (self.people | came) - went
