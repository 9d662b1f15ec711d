"""The client's body: one socket to the hub that comes back by itself, in an event loop of asyncio."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Self, TypeVar

from hub.client.lines import Dial, Line
from hub.client.listeners import Listeners
from hub.client.machine import CLOSED, Machine
from hub.client.messages import read
from hub.client.orders import Answered, Effect, Order, Say
from hub.client.streams import Catalog, Streams, Watch
from hub.client.told import (
    UNREACHABLE,
    Connection,
    Event,
    Identity,
    Person,
    Refusal,
    SessionState,
    Visit,
)
from hub.client.wishes import checked, checked_one

log = logging.getLogger("hub.client")

E = TypeVar("E", bound=Event)
Token = Callable[[], Awaitable[str | None] | str | None]
LEAVE_SECONDS = 2.0
"""For the hub to answer who leaves while closing."""


def _arrived(changed: asyncio.Future[None], _: Connection) -> None:
    if not changed.done():
        changed.set_result(None)


class _Ear:
    """Hears one socket for the hub, as long as that is the present one."""

    def __init__(self, hub: Hub) -> None:
        self._hub: Hub | None = hub

    def received(self, payload: bytes) -> None:
        if self._hub is not None:
            self._hub._received(payload)

    def lost(self, code: int, reason: str, retry_after: float = 0.0) -> None:
        if self._hub is not None:
            self._hub._lost(code, reason, retry_after)

    def hang_up(self) -> None:
        self._hub = None


class Hub:
    """One socket to the hub. It comes back by itself until it is closed, and says again what is wanted.

    As an async context manager it connects, without waiting for it, and closes. Use it in one event loop.
    """

    def __init__(self, dial: Dial, token: Token | None = None) -> None:
        """`dial` opens a socket; `token` is asked for a fresh one at each connect and before the present one ends."""
        self._dial = dial
        self._token = token
        self._machine = Machine(with_tokens=token is not None, chance=random.random)
        self._loop: asyncio.AbstractEventLoop
        self._ear: _Ear | None = None
        self._line: Line | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self._asking: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._turning = False
        self._answers: dict[int, asyncio.Future[Visit | None]] = {}
        self._listeners = Listeners()
        self._streams = Streams()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._machine.begin(self._loop.time())
        self._turn()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # What there is to see.

    @property
    def connection(self) -> Connection:
        """How the connection is now."""
        return self._machine.connection

    @property
    def person(self) -> Identity | None:
        """Who the hub knows us as."""
        return self._machine.person

    def state(self, session: int) -> SessionState | None:
        """The newest known state of a session that is watched or joined."""
        return self._machine.state(session)

    def roster(self, session: int) -> Mapping[str, Person] | None:
        """Who is present, by id in order of arrival; None where the hub does not show it to us."""
        return self._machine.roster(session)

    def is_in(self, session: int) -> bool:
        """Whether we are in a session; also while the connection is away, if we are to be again."""
        return self._machine.is_in(session)

    def on(self, kind: type[E], listener: Callable[[E], None]) -> Callable[[], None]:
        """Call `listener` with each event of a kind, in order; it must not block. Returns what stops that.

        Raises TypeError for what is no kind of event, as `Joined | Ejected` is none.
        """
        return self._listeners.add(kind, listener)

    # What there is to ask.

    def watch(self, sessions: int | Iterable[int]) -> Watch:
        """Follow sessions, 500 at most, until the Watch is closed; it is read by `async for`, or not at all.

        Raises TypeError for what is no whole number, Refusal for one that is no session's id, and for more than 500.
        """
        wanted = checked(sessions)
        self._machine.watch(wanted)
        watch = Watch(wanted, lambda: self._unwatch(watch))
        for session in wanted:
            if (state := self.state(session)) is not None:
                watch.hear(state)
        self._streams.add(watch)
        self._soon()
        return watch

    def watch_catalog(self) -> Catalog:
        """Follow what happens to any session, until the Catalog is closed."""
        self._machine.watch_catalog(1)
        catalog = Catalog(lambda: self._unwatch_catalog(catalog))
        self._streams.add(catalog)
        self._soon()
        return catalog

    async def join(self, session: int) -> Visit:
        """Be in a session, and stay across reconnects until `leave`; the answer of the hub.

        While there is no connection, or no token yet, it waits for it, 15 s at most. Raises Refusal.
        """
        checked_one(session)
        entering = None if self.is_in(session) else session
        visit = await self._answer(self._machine.join(session, self._loop.time()), entering)
        assert visit is not None
        return visit

    async def leave(self, session: int) -> None:
        """Be there no longer. Raises Refusal if the hub would not have it now: then we still are."""
        checked_one(session)
        await self._answer(self._machine.leave(session, self._loop.time()))

    async def opened(self) -> None:
        """Wait until the connection is open. Raises Refusal if it never will be."""
        while self.connection.name != "open":
            if self.connection.name == "stopped":
                raise Refusal(UNREACHABLE, self.connection.reason or CLOSED)
            changed = self._loop.create_future()
            stop = self.on(Connection, partial(_arrived, changed))
            try:
                await changed
            finally:
                stop()

    def retry(self) -> None:
        """Come back at once instead of waiting; does nothing while open."""
        self._machine.retry(self._loop.time())
        self._soon()

    def sign_in(self) -> None:
        """Another person, or the same with a new token: a new socket that asks for one. What was joined is left."""
        self._machine.sign_in(self._loop.time())
        self._soon()

    async def close(self) -> None:
        """Leave what was joined, and end for good; the hub's answers are waited for, 2 s at most.

        While the connection is away there is nobody to tell: then we are gone from there after the hub's grace.
        """
        try:
            leaving = [self._answer(number) for number in self._machine.leave_all(self._loop.time())]
            if leaving:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LEAVE_SECONDS):
                        await asyncio.gather(*leaving, return_exceptions=True)
        finally:
            self.abort()
        if self._lines:
            await asyncio.wait(self._lines)

    def abort(self) -> None:
        """End for good without a word: where we were, we are gone from after the hub's grace, as by a lost network."""
        self._machine.close(self._loop.time())
        self._turn()

    async def _answer(self, number: int, entering: int | None = None) -> Visit | None:
        answer: asyncio.Future[Visit | None] = self._loop.create_future()
        self._answers[number] = answer
        self._soon()
        try:
            return await answer
        except asyncio.CancelledError:
            if entering is not None:
                self._machine.leave(entering, self._loop.time())
                self._soon()
            raise
        finally:
            self._answers.pop(number, None)

    def _unwatch(self, watch: Watch) -> None:
        self._streams.remove(watch)
        self._machine.unwatch(watch.sessions)
        self._soon()

    def _unwatch_catalog(self, catalog: Catalog) -> None:
        self._streams.remove(catalog)
        self._machine.watch_catalog(-1)
        self._soon()

    # What the socket and the clock bring.

    def _received(self, payload: bytes) -> None:
        message = read(payload)
        if message is not None:
            self._machine.received(message, self._loop.time())
            self._turn()

    def _lost(self, code: int, reason: str, retry_after: float) -> None:
        self._stop_asking()
        self._ear = self._line = None
        self._machine.closed(code, self._loop.time(), reason, retry_after)
        self._turn()

    def _ring(self) -> None:
        self._alarm = None
        self._machine.tick(self._loop.time())
        self._turn()

    def _soon(self) -> None:
        """Once for all that is asked in this turn of the loop: a hundred watches are one message."""
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = False
        for effect in self._machine.take(self._loop.time()):
            self._do(effect)
        due = self._machine.due
        if self._alarm is None or due < self._alarm.when():
            self._set_alarm(due)

    def _set_alarm(self, due: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if due == math.inf else self._loop.call_at(due, self._ring)

    # What the machine wants.

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, SessionState):
            self._streams.state(effect)
            self._listeners.tell(effect)
        elif isinstance(effect, Say):
            if self._line is not None:
                self._line.send(effect.text)
        elif isinstance(effect, Order):
            ORDERS[effect](self)
        elif isinstance(effect, Answered):
            self._settle(effect)
        else:
            if isinstance(effect, Connection) and effect.name == "stopped":
                self._over(None if effect.code is None else Refusal(UNREACHABLE, effect.reason or CLOSED))
            self._streams.hear(effect)
            self._listeners.tell(effect)

    def _over(self, why: Refusal | None) -> None:
        self._set_alarm(math.inf)
        self._stop_asking()
        self._streams.end(why)

    def _settle(self, answered: Answered) -> None:
        answer = self._answers.get(answered.number)
        if answer is None or answer.done():
            return
        if answered.refusal is None:
            answer.set_result(answered.visit)
        else:
            answer.set_exception(answered.refusal)

    def _dial_now(self) -> None:
        self._stop_asking()
        self._ear = _Ear(self)
        self._line = self._dial(self._ear)

    def _hang_up(self) -> None:
        self._stop_asking()
        if self._ear is not None:
            self._ear.hang_up()
        line, self._ear, self._line = self._line, None, None
        if line is not None:
            line.close()
            ending = self._loop.create_task(line.ended())
            self._lines.add(ending)
            ending.add_done_callback(self._lines.discard)

    def _want_token(self) -> None:
        assert self._token is not None
        self._stop_asking()
        try:
            token = self._token()
        except Exception as error:
            self._no_token(error)
            return
        if inspect.isawaitable(token):
            self._asking = self._loop.create_task(self._wait_for(token))
        else:
            self._machine.token(token, self._loop.time())
            self._soon()

    async def _wait_for(self, token: Awaitable[str | None]) -> None:
        try:
            told = await token
        except Exception as error:
            self._no_token(error)
        else:
            self._machine.token(told, self._loop.time())
            self._soon()

    def _no_token(self, error: Exception) -> None:
        log.warning("no token could be had: %s", type(error).__name__)  # its words may hold one
        self._machine.no_token(self._loop.time())
        self._soon()

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None


ORDERS: Mapping[Order, Callable[[Hub], None]] = {
    Order.DIAL: Hub._dial_now,
    Order.HANG_UP: Hub._hang_up,
    Order.WANT_TOKEN: Hub._want_token,
}
