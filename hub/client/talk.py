"""What is said and heard once the connection is open: wishes become messages, answers and news become what is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import UNSET

from hub.client.messages import Catalog, Change, Error, Ok, Whole, say
from hub.client.orders import ANSWER_SECONDS, Answered, Ask, Asks, Effect, Kind, Say
from hub.client.rosters import Known
from hub.client.told import (
    CatalogChanged,
    Ejected,
    Joined,
    Missing,
    Refusal,
    RosterChanged,
    SessionState,
    Visit,
)
from hub.client.wishes import Wishes, lost

OF_THE_MOMENT = frozenset({"rate_limited", "unavailable", "internal"})
"""Codes of refusals that another time may not meet."""
AGAIN_SECONDS = 2.0
"""Before what was refused for the moment is said again: from this to twice as much."""
DOUBT_SECONDS = 2.0
"""For the roster to follow a state that counts otherwise."""
LIMITED = "rate_limited"


class Talk:
    """One conversation, over one connection after the other. What it wants done is put into `effects`."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self.wishes = Wishes()
        self.known = Known()
        self.asks = Asks()
        self.effects: list[Effect] = []
        self._chance = chance
        self._again_at = math.inf
        self._doubts: dict[int, float] = {}

    def new_connection(self) -> None:
        """All that is wanted is to be said anew."""
        self.wishes.new_connection()
        self.known.new_connection()
        self._again_at = math.inf
        self._doubts.clear()

    def lost(self, why: Refusal) -> None:
        """The connection is gone: joins under way are refused, who left has left; other things are said anew."""
        for ask in self.asks.lost():
            if ask.kind is Kind.JOIN:
                self._answer(ask, refusal=Refusal(why.code, why.message, ask.sessions[0]))
            elif ask.kind is Kind.LEAVE:
                self._answer(ask)

    # What the user wants.

    def say_wishes(self, now: float, *, known: bool) -> None:
        """Say what this connection was not asked for yet: joins first, as presence is held for a short while only, and
        not before the hub is `known` to know who we are."""
        if known:
            self._say_joins(now)
        for batch in self.wishes.to_watch():
            self._ask(Kind.WATCH, batch, now, type="watch", sessions=batch)
        for batch in self.wishes.to_unwatch():
            self._ask(Kind.UNWATCH, batch, now, type="unwatch", sessions=batch)
            for session in batch:
                self._out(session)
        turn = self.wishes.catalog_turn()
        if turn is not None:
            self._ask(Kind.CATALOG, [], now, type="watch" if turn else "unwatch", catalog=True)

    def _say_joins(self, now: float) -> None:
        for session in self.wishes.to_enter():
            self._ask(Kind.REJOIN, [session], now, type="join", session=session)
        for ask in self.asks.all_waiting():
            self._say(ask, now, type="join", session=ask.sessions[0])

    def unwatch(self, sessions: Iterable[int]) -> None:
        """Want each once less."""
        for session in self.wishes.unwatch(sessions):
            self._forget(session)

    def leave(self, ask: Ask, now: float, *, ready: bool) -> None:
        """Be in a session no longer; with no connection to say so on, that is done."""
        (session,) = ask.sessions
        ask.visit = self.wishes.stays.pop(session, None)
        self.wishes.entered.discard(session)
        self._out(session)
        for one in self.asks.take_back(session):
            self._answer(one, refusal=lost(session, "You left before the hub was asked."))
        if ready:
            self._say(ask, now, type="leave", session=session)
        else:
            self._answer(ask)

    def leave_all(self, now: float, *, ready: bool) -> list[int]:
        """Be nowhere, also where we are just being let in; the numbers of the answers."""
        joining = {session for ask in self.asks.of(Kind.JOIN) for session in ask.sessions}
        leaving = [
            self.asks.make(Kind.LEAVE, [one], now) for one in [*self.wishes.stays, *joining - set(self.wishes.stays)]
        ]
        for ask in leaving:
            self.leave(ask, now, ready=ready)
        return [ask.number for ask in leaving]

    def eject_all(self, code: str, message: str) -> None:
        """Nobody knows us any more: we are nowhere."""
        for session in list(self.wishes.stays):
            self._eject(session, code, message)

    def ping(self, now: float) -> None:
        """Ask for a sign of life."""
        self._ask(Kind.PING, [], now, type="ping")

    def auth(self, token: str, now: float) -> None:
        """Say who we are."""
        self._ask(Kind.AUTH, [], now, type="auth", token=token)

    def refuse_waiting(self, asks: Iterable[Ask], why: str) -> None:
        """These joins wait no more."""
        for ask in asks:
            self._answer(ask, refusal=lost(ask.sessions[0], why))

    # What comes.

    def state(self, told: SessionState, now: float) -> bool:
        """A session's state; whether there is something new to wait for."""
        session = told.session
        if not self.wishes.hears(session) or not self.known.state(told):
            return False
        self.effects.append(told)
        doubtful = session in self.known.rosters and self.known.doubtful(session)
        if doubtful:
            self._doubts.setdefault(session, now + DOUBT_SECONDS)
        if told.over and session in self.wishes.stays:
            self._eject(session, "not_active", "The session is over.")
        return doubtful

    def whole(self, told: Whole) -> None:
        """A whole roster."""
        if self.wishes.hears(told.session):
            self.asks.roster_came(told.session)
            self._tell_people(self.known.whole(told))

    def change(self, told: Change, now: float) -> None:
        """Who came and went."""
        if not self.wishes.hears(told.session):
            return
        changed = self.known.change(told)
        if changed is None and self.known.hole(told):
            self._ask_roster(told.session, now)
        self._tell_people(changed)

    def catalog(self, told: Catalog) -> None:
        """News of the catalog."""
        if self.wishes.catalog:
            self.effects.append(CatalogChanged(told.session))

    def ok(self, ask: Ask, told: Ok) -> None:
        """What was asked is done."""
        if ask.kind in (Kind.JOIN, Kind.REJOIN):
            self._joined(ask, Visit(told.participant, told.meeting))
        elif ask.kind is Kind.LEAVE:
            self._answer(ask)
        elif ask.kind is Kind.WATCH:
            for session in told.missing:
                if session in self.wishes.watched:
                    self.effects.append(Missing(session, "not_found", f"There is no session {session}."))

    def refused(self, ask: Ask, told: Error, now: float) -> None:
        """What was asked is not done; if only for the moment, it is asked again where nobody waits for the answer."""
        if ask.kind is Kind.JOIN:
            self._answer(ask, refusal=Refusal(told.code, told.message, ask.sessions[0]))
        elif ask.kind is Kind.LEAVE:
            self._still_in(ask, told)
        elif told.code in OF_THE_MOMENT:
            self._unsaid(ask, now)
        elif ask.kind is Kind.REJOIN:
            self._eject(ask.sessions[0], told.code, told.message)
        elif ask.kind is Kind.ROSTER:
            self._tell_people(self.known.shut(ask.sessions[0]))
        elif ask.kind is Kind.WATCH:
            self.effects += [
                Missing(one, told.code, told.message) for one in ask.sessions if one in self.wishes.watched
            ]

    def news(self, told: Error) -> None:
        """A refusal that answers nothing: of a seat that is gone, or of a message that was not even read."""
        if told.session is not UNSET:
            self._eject(told.session, told.code, told.message)
        elif told.code == LIMITED:
            self.asks.limited()

    # Time.

    def due(self) -> float:
        """When to look again."""
        return min(self._again_at, self.asks.due(), *self._doubts.values(), math.inf)

    def tick(self, now: float, silent: float) -> bool:
        """Look at what is late; False when the hub owes an answer and so, or `silent` for so many seconds, is gone."""
        for ask in self.asks.late(now):
            if not self._excused(ask, silent):
                return False
            self.asks.answered(ask.number)
            if ask.kind is not Kind.PING:
                self.refused(ask, Error(LIMITED, "Too many messages, or no answer."), now)
        for session in [one for one, at in self._doubts.items() if at <= now]:
            del self._doubts[session]
            if self.known.doubtful(session):
                self.known.rosters[session].asked = True
                self._ask_roster(session, now)
        return True

    @staticmethod
    def _excused(ask: Ask, silent: float) -> bool:
        talks = ask.kind is Kind.PING and silent < ANSWER_SECONDS
        unread = ask.limited and ask.kind is not Kind.AUTH  # which would not be said again
        return unread or ask.kind is Kind.ROSTER or talks

    def again(self, now: float) -> bool:
        """Whether what was refused for the moment is to be said again by now."""
        if now < self._again_at:
            return False
        self._again_at = math.inf
        return True

    # Pieces.

    def _ask(self, kind: Kind, about: Iterable[int], now: float, **message: Any) -> None:
        self._say(self.asks.make(kind, about, now), now, **message)

    def _say(self, ask: Ask, now: float, **message: Any) -> None:
        self.asks.send(ask, now)
        self.effects.append(Say(say({"id": ask.number, **message})))

    def _ask_roster(self, session: int, now: float) -> None:
        self._ask(Kind.ROSTER, [session], now, type="roster", session=session)

    def _answer(self, ask: Ask, visit: Visit | None = None, refusal: Refusal | None = None) -> None:
        self.effects.append(Answered(ask.number, visit, refusal))

    def _joined(self, ask: Ask, visit: Visit) -> None:
        (session,) = ask.sessions
        again = ask.kind is Kind.REJOIN
        if not again:
            self._answer(ask, visit)
        if not ask.taken_back and (not again or session in self.wishes.stays):
            self.wishes.stays[session] = visit
            self.wishes.entered.add(session)
            self.effects.append(Joined(session, visit, again))

    def _still_in(self, ask: Ask, told: Error) -> None:
        (session,) = ask.sessions
        if ask.visit is not None:
            self.wishes.stays.setdefault(session, ask.visit)
            self.wishes.entered.add(session)
        self._answer(ask, refusal=Refusal(told.code, told.message, session))

    def _eject(self, session: int, code: str, message: str) -> None:
        if self.wishes.stays.pop(session, None) is not None:
            self.wishes.entered.discard(session)
            self.effects.append(Ejected(session, code, message))
            self._tell_people(self.known.shut(session))
            self._out(session)

    def _unsaid(self, ask: Ask, now: float) -> None:
        if ask.kind is Kind.REJOIN:
            self.wishes.entered.difference_update(ask.sessions)
        elif ask.kind is Kind.WATCH:
            self.wishes.followed.difference_update(ask.sessions)
        elif ask.kind is Kind.UNWATCH:
            self.wishes.followed.update(ask.sessions)
        elif ask.kind is Kind.CATALOG:
            self.wishes.follows_catalog = not self.wishes.follows_catalog
        elif ask.kind is Kind.ROSTER:
            self._doubt_again(ask.sessions[0], now)
        self._again_at = min(self._again_at, now + AGAIN_SECONDS * (1 + self._chance()))

    def _doubt_again(self, session: int, now: float) -> None:
        roster = self.known.rosters.get(session)
        if roster is not None:
            roster.asked = False
            self._doubts[session] = now + DOUBT_SECONDS

    def _out(self, session: int) -> None:
        if session not in self.wishes.stays:
            self.known.forget_people(session)
        if not self.wishes.hears(session):
            self._forget(session)

    def _forget(self, session: int) -> None:
        self.known.forget(session)
        self._doubts.pop(session, None)

    def _tell_people(self, changed: RosterChanged | None) -> None:
        if changed is not None:
            self.effects.append(changed)
