"""The ledger: every change of a session goes through here, and is committed in groups.

Take all that waits, lock the touched sessions, let the rules decide one after the other, save in bulk, commit; then
announce, and answer. An idle hub commits at once; the next group gathers while this one commits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from hub.bookkeeping import Notes
from hub.domain.events import SessionChanged, born, changed
from hub.domain.model import LiveSession, Session
from hub.domain.people import Person
from hub.errand import CURRENT, Errand
from hub.errors import HubError, Internal, LeaseLost, NotFound, Unavailable
from hub.ids import new_id
from hub.store import writes
from hub.store.database import Connection, Database, Locked
from hub.store.writes import Wanted
from hub.tally import Spread

T = TypeVar("T")
Rule = Callable[[LiveSession, datetime], T]
log = logging.getLogger("hub.ledger")

GROUP_LIMIT = 400
"""Calls in one transaction: more gains nothing, and makes the last one wait."""
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, GROUP_LIMIT)

GATHER_SECONDS = 0.001
"""How long the next group of a busy hub gathers, again and again while it grows."""

QUEUE_LIMIT = 5_000
"""Calls that may wait: at a few thousand a second, those over it would have waited for seconds."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One change that waits for its turn; `now` is when it arrived."""

    session_id: int
    rule: Rule[T]
    now: datetime
    about: frozenset[str] | None
    bookings: tuple[str, ...]
    payments: tuple[str, ...]
    lease: str | None
    answer: asyncio.Future[T]
    errand: Errand | None


class Ledger:
    """`act` changes a session; `run` is the loop that commits, one task for as long as the hub lives."""

    def __init__(
        self, database: Database, announce: Callable[[SessionChanged], None], clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._announce = announce
        self._clock = clock
        self._waiting: deque[Call[Any]] = deque()
        self._arrived = asyncio.Event()
        self._busy = False
        self.group_sizes = Spread(SIZES)
        self.commit_seconds = Spread()
        self.fenced = 0
        """Changes refused because their lease was lost."""
        self._notes = Notes()

    @property
    def waiting(self) -> int:
        """How many changes wait for their turn."""
        return len(self._waiting)

    async def act(
        self,
        session_id: int,
        rule: Rule[T],
        *,
        about: Iterable[str] | None = (),
        bookings: Sequence[str] = (),
        payments: Sequence[str] = (),
        lease: str | None = None,
    ) -> T:
        """What `rule` returned, once it is on disk.

        `about` names the people the rule may touch (None: everyone); `bookings` and `payments` are ids it needs
        beside their live ones; with `lease` it is refused unless that process's lease is alive in the same
        transaction. Raises what the rule refused with, `NotFound` for no such session, `Unavailable`.
        """
        if len(self._waiting) >= QUEUE_LIMIT:
            raise Unavailable("The hub is overloaded right now; nothing was changed.")
        call = Call(
            session_id,
            rule,
            self._clock(),
            None if about is None else frozenset(about),
            tuple(bookings),
            tuple(payments),
            lease,
            asyncio.get_running_loop().create_future(),
            CURRENT.get(),
        )
        self._waiting.append(call)
        self._arrived.set()
        return await call.answer  # type: ignore[no-any-return]  # mypy loses T in the deque of Call[Any]

    @property
    def busy(self) -> bool:
        """Whether a group is being committed, or gathers."""
        return self._busy

    async def create(self, session: Session, owner: Person, seal: Callable[[Session], None]) -> Session:
        """Store a new session and announce it; answers it with its id. `seal` as in `writes.create`."""
        create = partial(writes.create, session=session, owner=owner, seal=seal)
        created = await self._database.transact(create)
        if (errand := CURRENT.get()) is not None:
            errand.session, errand.revision = created.id, created.revision
        self._tell(born(created))
        return created

    async def run(self) -> None:
        """Commit groups for ever; at once when idle."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                if self._busy:
                    await self._gather()
                self._busy = True
                size = min(len(self._waiting), GROUP_LIMIT)
                await self._commit([self._waiting.popleft() for _ in range(size)])
            self._busy = False

    async def _commit(self, group: list[Call[Any]]) -> None:
        name, began = new_id(), time.perf_counter()
        try:
            outcomes, announcements = await self._database.transact(lambda connection: _decide(connection, group))
        except Exception as error:
            self._measure(group, began)
            await self._not_committed(name, group, error)
            return
        self._measure(group, began)
        revisions = {one.state.session: one.state.revision for one in announcements}
        changed_it = [not isinstance(outcome, HubError) for outcome in outcomes]
        self._notes.committed(name, group, changed_it, revisions, time.perf_counter() - began)
        for announcement in announcements:
            self._tell(announcement)
        for call, outcome in zip(group, outcomes, strict=True):
            self.fenced += _answer(call, outcome)

    def _measure(self, group: list[Call[Any]], begun: float) -> None:
        self.group_sizes.add(len(group))
        self.commit_seconds.add(time.perf_counter() - begun)

    async def _gather(self) -> None:
        """Let those whom the last commit answered come back: one commit for all costs less than two for half each."""
        waiting = 0
        while waiting < len(self._waiting) < GROUP_LIMIT:
            waiting = len(self._waiting)
            await asyncio.sleep(GATHER_SECONDS)

    def _tell(self, announcement: SessionChanged) -> None:
        """What is committed is committed: a listener that breaks must not keep its answer from anyone."""
        try:
            self._announce(announcement)
        except Exception:
            log.exception("the announcement of session %s broke", announcement.state.session)

    async def _not_committed(self, name: str, group: list[Call[Any]], error: Exception) -> None:
        """Nothing of the group is stored. One broken rule must not fail the others, nor one session that is locked."""
        apart = _by_session(group) if isinstance(error, Locked) else []
        if len(apart) > 1:
            for part in apart:
                await self._commit(part)
        elif isinstance(error, Unavailable):
            self._notes.failed(name, group, error.reason or error.message)
            for call in group:
                _answer(call, error.again())
        elif len(group) > 1:
            for call in group:
                await self._commit([call])
        else:
            self._notes.broke(name, group[0], error)
            _answer(group[0], Internal())


def _by_session(group: list[Call[Any]]) -> list[list[Call[Any]]]:
    parts: dict[int, list[Call[Any]]] = {}
    for call in group:
        parts.setdefault(call.session_id, []).append(call)
    return list(parts.values())


def _answer(call: Call[Any], outcome: Any) -> bool:
    """Whether it is refused for want of a lease."""
    refused = isinstance(outcome, HubError)
    if not call.answer.done():
        (call.answer.set_exception if refused else call.answer.set_result)(outcome)
    return refused and isinstance(outcome, LeaseLost)


def _decide(connection: Connection, group: list[Call[Any]]) -> tuple[list[Any], list[SessionChanged]]:
    """One transaction: what each call gets, a value or a refusal, and what to announce once it is committed."""
    wanted: dict[int, Wanted] = {}
    for call in group:
        wanted.setdefault(call.session_id, Wanted()).also(call.about, call.bookings, call.payments)
    leases = writes.living_nodes(connection, {call.lease for call in group if call.lease is not None})
    lives = writes.load(connection, wanted)
    outcomes = [_outcome(call, lives.get(call.session_id), leases) for call in group]
    dirty = [live for live in lives.values() if live.dirty]
    now = group[-1].now
    writes.save(connection, dirty, now)
    return outcomes, [changed(live, now) for live in dirty if live.changed]


def _outcome(call: Call[Any], live: LiveSession | None, leases: set[str]) -> Any:
    if live is None:
        return NotFound(f"There is no session {call.session_id}.")
    if call.lease is not None and call.lease not in leases:
        return LeaseLost()
    try:
        return call.rule(live, call.now)
    except HubError as refusal:
        return refusal
