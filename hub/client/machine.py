"""The client's brain: told what came and how late it is, it says what to send, when to come back and what to tell.

No socket, no clock, no dice of its own: instants are seconds on any clock that never goes back, `chance` is given.
All that it wants done comes out of `take`, in order; `due` is when to call `tick`, at the latest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from hub.client.login import BAD_TOKEN, Login, Turn
from hub.client.messages import Catalog, Change, Drain, Error, Expiring, Message, Ok, Pong, Welcome, Whole
from hub.client.orders import ANSWER_SECONDS, Effect, Kind, Order
from hub.client.pace import CLOSES, STEADY_SECONDS, TOO_MUCH_PAUSE, Come, Pace, drained
from hub.client.talk import LIMITED, Talk
from hub.client.told import UNREACHABLE, Connection, Identity, Person, PersonChanged, Refused, SessionState
from hub.client.wishes import lost

PING_SECONDS = 25.0
"""Of silence, after which the hub is asked for a sign of life."""
LOST = 1006
CLOSED = "The client was closed."
NOBODY = ("unauthenticated", "Nobody is signed in.")
NOT_OPEN = "Not connected right now. Try again in a moment."
NOT_KNOWN = "The hub does not know yet who you are: no token could be had. Try again in a moment."
NO_BETTER = ("unauthenticated", "The token was refused or ended, and there was no better one.")


class Machine:
    """One client. Its driver calls `begin` once, tells it what happens, and does what `take` says after each call."""

    def __init__(self, *, with_tokens: bool, chance: Callable[[], float]) -> None:
        """`with_tokens` if there is anyone to ask for a token; `chance` is a number from 0 to 1."""
        self.connection = Connection("connecting")
        self.person: Identity | None = None
        self.due = math.inf
        self._talk = Talk(chance)
        self._login = Login() if with_tokens else None
        self._chance = chance
        self._pace = Pace()
        self._changed = False
        """Whether there may be wishes to say."""
        self._stirred = True
        """Whether `due` is to be found anew."""
        self._heard = 0.0
        self._opened_at = math.inf
        self._welcome_by = math.inf
        """Until when the connection that was dialled must be there."""
        self._back_at: float | None = None
        """When to come back: told by `drain` while open, else the end of the wait."""

    # What the driver tells, and takes.

    def begin(self, now: float) -> None:
        """Connect."""
        self._dial(now)

    def take(self, now: float) -> list[Effect]:
        """What is to be done, in order."""
        if self._changed and self._ready:
            self._changed, self._stirred = False, True
            self._talk.say_wishes(now, known=self._login is None or self._login.settled)
        if self._stirred:
            self._stirred = False
            self.due = self._look()
        effects, self._talk.effects = self._talk.effects, []
        return effects

    def received(self, message: Message, now: float) -> None:
        """A message has come on the present connection."""
        self._heard = now
        if type(message) is SessionState:  # most of all that comes
            self._stirred = self._talk.state(message, now) or self._stirred
        else:
            self._stirred = True
            self._take(message, now)

    def closed(self, code: int, now: float, reason: str = "", told: float = 0.0) -> None:
        """The present connection has ended, or did not come to be; `told`: wait so long at least (Retry-After)."""
        if self.connection.name in ("waiting", "stopped"):
            return
        self._stirred = True
        if now - self._opened_at >= STEADY_SECONDS:
            self._pace.steady()
        come = CLOSES.get(code, Come.BACK)
        if come is Come.WITH_NEW_TOKEN and self._login is not None:
            self._login.ended()
        back_at = self._let_go()
        if come is Come.NEVER:
            self._stop(code, reason or "The hub sent us away.")
            return
        if back_at is None:
            back_at = now + self._pace.wait(come, self._chance(), told, now)
        self._back_at = back_at
        self._become(Connection("waiting", max(0.0, back_at - now), code, reason or None))

    def token(self, token: str | None, now: float) -> None:
        """The token that was wanted; None: there is none."""
        if self._login is not None and self._login.asked_at is not None:
            self._stirred = True
            self._turn(self._login.offer(token, now), token, now)

    def no_token(self, now: float) -> None:
        """Asking for a token failed, which says nothing about who we are: go on watching, and ask again."""
        if self._login is not None and self._login.asked_at is not None:
            self._stirred = True
            self._turn(self._login.later(now, self._chance()), None, now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._stirred = True
        name = self.connection.name
        if name == "waiting" and self._back_at is not None and now >= self._back_at:
            self._dial(now)
        elif name == "connecting" and now >= self._welcome_by:
            self._lose("The hub did not answer.", now)
        elif name in ("connecting", "open"):
            self._tick_connected(now)
        late = self._talk.asks.gave_up(now)
        self._talk.refuse_waiting(late, NOT_KNOWN if self.connection.name == "open" else NOT_OPEN)

    # What the user asks.

    def watch(self, sessions: Iterable[int]) -> None:
        """Follow each once more; raises Refusal for what can't be followed."""
        self._talk.wishes.watch(sessions)
        self._changed = True

    def unwatch(self, sessions: Iterable[int]) -> None:
        """Follow each once less."""
        self._talk.unwatch(sessions)
        self._changed = True

    def watch_catalog(self, more: int) -> None:
        """Follow the catalog once more (1), or less (-1)."""
        self._talk.wishes.catalog += more
        self._changed = True

    def join(self, session: int, now: float) -> int:
        """Be in a session; the number of the answer. It waits for a connection, ANSWER_SECONDS at most."""
        ask = self._talk.asks.make(Kind.JOIN, [session], now)
        if self.connection.name == "stopped":
            self._talk.refuse_waiting([ask], self.connection.reason or CLOSED)
        else:
            self._talk.asks.waiting[ask.number] = ask
            self._changed = True
        self._stirred = True
        return ask.number

    def leave(self, session: int, now: float) -> int:
        """Be there no longer; the number of the answer."""
        ask = self._talk.asks.make(Kind.LEAVE, [session], now)
        self._talk.leave(ask, now, ready=self._ready)
        self._stirred = True
        return ask.number

    def retry(self, now: float) -> None:
        """Come back at once instead of waiting."""
        if self.connection.name == "waiting":
            self._dial(now)

    def sign_in(self, now: float) -> None:
        """Another person, or another token: a new connection. What was joined is left; watches stay."""
        if self.connection.name == "stopped":
            return
        self._talk.leave_all(now, ready=self.connection.name == "open")
        if self._login is not None:
            self._login.anew()
        self._be(None)
        self._pace.steady()
        if self.connection.name != "waiting":
            self._hang_up()
        self._dial(now)

    def leave_all(self, now: float) -> list[int]:
        """Be nowhere, also where we are just being let in; the numbers of the answers that may still come."""
        return self._talk.leave_all(now, ready=self.connection.name == "open")

    def close(self, now: float) -> None:
        """End for good, without leaving."""
        if self.connection.name != "stopped":
            if self.connection.name != "waiting":
                self._hang_up()
            self._stop(None, CLOSED)

    def state(self, session: int) -> SessionState | None:
        """The newest state."""
        return self._talk.known.states.get(session)

    def roster(self, session: int) -> Mapping[str, Person] | None:
        """Who is present, as far as we are shown."""
        roster = self._talk.known.rosters.get(session)
        return None if roster is None else roster.people

    def is_in(self, session: int) -> bool:
        """Whether we are in a session, or are to be again."""
        return session in self._talk.wishes.stays

    # The connection's life.

    @property
    def _ready(self) -> bool:
        return self.connection.name == "open" and self._back_at is None

    @property
    def _ping_at(self) -> float:
        return math.inf if any(self._talk.asks.of(Kind.PING)) else self._heard + PING_SECONDS

    def _become(self, connection: Connection) -> None:
        self.connection = connection
        self._talk.effects.append(connection)

    def _dial(self, now: float) -> None:
        self._back_at, self._welcome_by = None, now + ANSWER_SECONDS
        self._talk.new_connection()
        if self._login is not None:
            self._login.new_connection()
        self._stirred = True
        self._become(Connection("connecting"))
        self._talk.effects.append(Order.DIAL)

    def _open(self, now: float) -> None:
        self._opened_at, self._changed = now, True
        self._become(Connection("open"))

    def _let_go(self) -> float | None:
        """Nothing more comes on this connection; when to come back, if that was told."""
        told, self._back_at = self._back_at, None
        self._opened_at = self._welcome_by = math.inf
        if self._login is not None:
            self._login.asked_at = self._login.ask_at = None
        self._talk.lost(lost())
        return told

    def _hang_up(self) -> None:
        self._let_go()
        self._talk.effects.append(Order.HANG_UP)

    def _lose(self, reason: str, now: float) -> None:
        self._talk.effects.append(Order.HANG_UP)
        self.closed(LOST, now, reason)

    def _stop(self, code: int | None, reason: str) -> None:
        self._stirred, self._back_at = True, None
        self._talk.refuse_waiting(self._talk.asks.all_waiting(), reason)
        if code is None:
            self._talk.wishes.stays.clear()
        else:
            self._talk.eject_all(UNREACHABLE, reason)
        self._become(Connection("stopped", None, code, reason))

    def _tick_connected(self, now: float) -> None:
        if self._back_at is not None and now >= self._back_at:
            self._hang_up()  # it forgot to close
            self._dial(now)
            return
        if not self._talk.tick(now, now - self._heard):
            self._lose("The hub did not answer.", now)
            return
        self._changed = self._talk.again(now) or self._changed
        if now >= self._ping_at:
            self._talk.ping(now)
        if self._login is not None and now >= self._login.due:
            if self._login.asked_at is None:
                self._want_token(now)
            else:
                self.no_token(now)

    def _look(self) -> float:
        """When time itself will be news, at the earliest."""
        name = self.connection.name
        due = self._talk.asks.due()
        if self._back_at is not None:
            due = min(due, self._back_at)
        if name == "connecting":
            due = min(due, self._welcome_by)
        if name in ("connecting", "open") and self._welcome_by == math.inf:
            due = min(due, self._talk.due(), self._ping_at)
            if self._login is not None:
                due = min(due, self._login.due)
        return due

    # Who we are.

    def _want_token(self, now: float) -> None:
        assert self._login is not None
        self._login.ask(now)
        self._talk.effects.append(Order.WANT_TOKEN)

    def _turn(self, turn: Turn, token: str | None, now: float) -> None:
        if turn is Turn.SAY and token is not None:
            self._talk.auth(token, now)
        elif turn is Turn.ASK:
            self._want_token(now)
        elif turn in (Turn.NOBODY, Turn.REFUSED):
            self._be(None)
            why = NOBODY if turn is Turn.NOBODY else NO_BETTER
            if turn is Turn.REFUSED:
                self._talk.effects.append(Refused(*why))
            self._talk.eject_all(*why)
            self._settled(now)
        elif turn is Turn.LATER and self.connection.name == "connecting":
            self._open(now)

    def _settled(self, now: float) -> None:
        """It is known who we are: what waited for that is said."""
        self._changed = True
        if self.connection.name == "connecting":
            self._open(now)

    def _be(self, person: Identity | None) -> None:
        if person != self.person:
            self.person = person
            self._talk.effects.append(PersonChanged(person))

    # Messages.

    def _take(self, message: Message, now: float) -> None:
        match message:
            case Whole():
                self._talk.whole(message)
            case Change():
                self._talk.change(message, now)
            case Ok():
                self._ok(message, now)
            case Error():
                self._error(message, now)
            case Pong():
                self._talk.asks.answered(message.id)
            case Catalog():
                self._talk.catalog(message)
            case Welcome():
                self._welcome(now)
            case Expiring() if self._login is not None:
                self._login.expiring(message.seconds, now, self._chance())
            case Drain():
                self._back_at = now + drained(message.reconnect_in, self._chance())

    def _welcome(self, now: float) -> None:
        if self._welcome_by == math.inf:
            return
        self._welcome_by = math.inf
        if self._login is None:
            self._open(now)
        else:
            self._want_token(now)

    def _ok(self, told: Ok, now: float) -> None:
        ask = self._talk.asks.answered(told.id)
        if ask is None:
            return
        if ask.kind is not Kind.AUTH:
            self._talk.ok(ask, told)
        elif told.expires_at is not None:
            if self._login is not None:
                self._login.accepted()
            self._be(Identity(told.user, told.role, told.expires_at))
            self._settled(now)

    def _error(self, told: Error, now: float) -> None:
        ask = self._talk.asks.answered(told.id)
        if ask is None:
            self._talk.news(told)
        elif ask.kind is not Kind.AUTH:
            self._talk.refused(ask, told, now)
        elif self._login is not None:
            self._auth_refused(self._login, told, now)

    def _auth_refused(self, login: Login, told: Error, now: float) -> None:
        if told.code in BAD_TOKEN:
            self._turn(login.refused(now), None, now)
        else:
            pause = TOO_MUCH_PAUSE if told.code == LIMITED else 0.0
            self._turn(login.later(now, self._chance(), pause), None, now)
