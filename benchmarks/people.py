"""People: `hub.client` as it is, over a socket that costs next to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from benchmarks.client import PATIENCE
from benchmarks.sockets import STATE, TEXT, Socket, frame
from benchmarks.wrong import Wrong
from hub.client import Ear, Hub, SessionState, Token

LOST = 1006


class Wire(Socket):
    """The client's line. `heard` is told of each `session` message, before the client is."""

    def __init__(self, ear: Ear) -> None:
        super().__init__()
        self._ear = ear

    def send(self, text: bytes) -> None:
        """Send a text frame."""
        self.transport.write(frame(TEXT, text))

    def close(self) -> None:
        """Close it."""
        self.transport.close()

    async def ended(self) -> None:
        """Nothing is left of it that could be waited for."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        super().connection_lost(exc)
        self._ear.lost(self.close_code or LOST, "")

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode != TEXT:
            super()._take(opcode, payload)
            return
        self.frames += 1
        if self.heard is not None and payload.startswith(STATE):
            self.heard(self, payload)
        self._ear.received(payload)


class Person:
    """One client, and the wire that it has now."""

    def __init__(self, port: int, token: Token | None = None) -> None:
        self._port = port
        self._dialling: asyncio.Task[None] | None = None
        self._token: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._asked = asyncio.Event()
        self.wire: Wire
        self.hub = Hub(self._dial, token)

    @classmethod
    async def watching(
        cls, port: int, session: int, told: Callable[[SessionState], None] | None = None, token: Token | None = None
    ) -> Person:
        """Someone who follows a session, has its state, and `told` each newer one."""
        person = await cls(port, token).open()
        if told is not None:
            person.hub.on(SessionState, told)
        await person.watch(session)
        return person

    @classmethod
    async def at_the_door(cls, port: int) -> Person:
        """Someone who is welcomed, and not known before `let_in`."""
        person = cls(port)
        person.hub = Hub(person._dial, person._waits)
        await person.hub.__aenter__()
        await person._within(person._asked.wait(), "a welcome")
        return person

    def let_in(self, token: str) -> None:
        """Here is the token."""
        self._token.set_result(token)

    def _waits(self) -> Awaitable[str | None]:
        self._asked.set()
        return self._token

    async def open(self) -> Person:
        """Connect, and be known."""
        await self.hub.__aenter__()
        await self._within(self.hub.opened(), "the hub to open")
        return self

    async def watch(self, session: int) -> None:
        """Follow a session; its state is there."""
        known: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stop = self.hub.on(SessionState, partial(_arrived, known, session))
        self.hub.watch(session)
        await self._within(known, "a snapshot")
        stop()

    async def _within(self, wanted: Awaitable[object], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await wanted
        except TimeoutError:
            raise Wrong(f"waited {PATIENCE:g} s for {what}") from None

    def _dial(self, ear: Ear) -> Wire:
        self.wire = Wire(ear)
        self._dialling = asyncio.get_running_loop().create_task(self._connect(ear, self.wire))
        return self.wire

    async def _connect(self, ear: Ear, wire: Wire) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: wire, "127.0.0.1", self._port)
        except OSError as error:
            ear.lost(LOST, str(error))


def _arrived(known: asyncio.Future[None], session: int, state: SessionState) -> None:
    if state.session == session and not known.done():
        known.set_result(None)


async def go_home(people: Iterable[Person]) -> None:
    """End them all."""
    for person in people:
        person.hub.abort()
        await person.hub.close()
