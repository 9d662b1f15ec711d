"""What an `async for` reads: the newest of each thing, for a reader of any pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Generic, Self, TypeVar

from hub.client.told import CatalogChanged, Event, Missing, Refusal, SessionState

T = TypeVar("T")


class Stream(Generic[T]):
    """Followed until `close`, the end of a `with`, or of an `async for` over it: leaving the loop is enough.

    A slow reader gets the newest of each session, not a backlog; what was known already comes first.
    """

    def __init__(self, let_go: Callable[[], None]) -> None:
        self._let_go = let_go
        self._newest: dict[int, T] = {}
        self._wake = asyncio.Event()
        self._closed = False
        self._why: Refusal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[T]:
        """Each is newer than the last one of its session. Raises Refusal when there will be none, and it was not us."""
        try:
            while True:
                while self._newest:
                    yield self._newest.pop(next(iter(self._newest)))
                if self._closed:
                    break
                self._wake.clear()
                await self._wake.wait()
            if self._why is not None:
                raise self._why
        finally:
            self.close()

    def close(self) -> None:
        """Follow no longer: the loop ends."""
        if not self._closed:
            self._let_go()
            self.end(None)

    def end(self, why: Refusal | None) -> None:
        """There will be no more; `why`, if that is not what the reader wanted."""
        self._closed, self._why = True, why
        self._wake.set()

    def _push(self, key: int, value: T) -> None:
        self._newest.pop(key, None)  # in order of their news
        self._newest[key] = value
        self._wake.set()


class Watch(Stream[SessionState]):
    """The states of some sessions. Ends with a Refusal when none of them exists."""

    def __init__(self, sessions: Iterable[int], let_go: Callable[[], None]) -> None:
        super().__init__(let_go)
        self.sessions = frozenset(sessions)
        self._missing: set[int] = set()

    def hear(self, state: SessionState) -> None:
        """A newer state."""
        if state.session in self.sessions:
            self._missing.discard(state.session)
            self._push(state.session, state)

    def miss(self, told: Missing) -> None:
        """One of them may not exist."""
        if told.session in self.sessions:
            self._missing.add(told.session)
            if self._missing == self.sessions and not self._closed:
                self._let_go()
                self.end(Refusal(told.code, told.message, told.session))


class Catalog(Stream[CatalogChanged]):
    """Sessions as they are created, edited, started, ended and cancelled."""

    def hear(self, change: CatalogChanged) -> None:
        """A newer one."""
        self._push(change.session["id"], change)


class Streams:
    """All that are followed now."""

    def __init__(self) -> None:
        self._watches: dict[int, list[Watch]] = {}
        self._catalogs: list[Catalog] = []

    def add(self, stream: Watch | Catalog) -> None:
        """One more."""
        if isinstance(stream, Catalog):
            self._catalogs.append(stream)
            return
        for session in stream.sessions:
            self._watches.setdefault(session, []).append(stream)

    def remove(self, stream: Watch | Catalog) -> None:
        """One less."""
        if isinstance(stream, Catalog):
            self._catalogs.remove(stream)
            return
        for session in stream.sessions:
            self._watches[session].remove(stream)
            if not self._watches[session]:
                del self._watches[session]

    def state(self, state: SessionState) -> None:
        """A newer state, to those who follow the session."""
        for watch in tuple(self._watches.get(state.session, ())):
            watch.hear(state)

    def hear(self, event: Event) -> None:
        """Any other event, of which a few concern them."""
        if isinstance(event, Missing):
            for watch in tuple(self._watches.get(event.session, ())):
                watch.miss(event)
        elif isinstance(event, CatalogChanged):
            for catalog in self._catalogs:
                catalog.hear(event)

    def end(self, why: Refusal | None) -> None:
        """There will be no more for any."""
        for watch in {one for watches in self._watches.values() for one in watches}:
            watch.end(why)
        for catalog in self._catalogs:
            catalog.end(why)
