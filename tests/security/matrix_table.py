"""Who may do what, written from the contract and from nothing else: a line for each route, message and standing.

A standing is what somebody is to a session: `owner`; `stranger`, an expert of another; a student by the seat that they
have: `none`, `pending`, `expired`, `confirmed`, `present` (confirmed, and there); `anonymous`. A line without its own
standing is the `else` of its route. Outcomes stand in the order of STATES: a status, or a refusal's code; `roster` is
200 where the roster is open to participants, else `forbidden`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BASE = "/api/live-sessions"
STATES = ("closed", "open", "active", "ended", "cancelled")
"""`closed` and `open` are scheduled sessions whose doors are closed, or open."""

STATUS_OF: Mapping[str, int] = {
    "unauthenticated": 401,
    "forbidden": 403,
    "not_session_owner": 403,
    "not_booked": 403,
    "not_found": 404,
    "already_booked": 409,
    "booking_closed": 409,
    "invalid_transition": 409,
    "hold_expired": 410,
    "invalid_signature": 400,
}

SHORT = {"no_move": "invalid_transition"}
"""What a line has no room for."""

WHO = ("anyone", "signed-in", "expert", "its-expert", "student")

SESSIONS = """
GET     /{id}                   signed-in   else       200 200 200 200 200
PATCH   /{id}                   its-expert  else       200 200 200 no_move no_move
DELETE  /{id}                   its-expert  else       200 200 no_move no_move no_move
PATCH   /{id}/start             its-expert  else       200 200 no_move no_move no_move
PATCH   /{id}/end               its-expert  else       no_move no_move 200 no_move no_move
POST    /{id}/book              student     else       201 201 201 booking_closed booking_closed
POST    /{id}/book              student     pending    already_booked already_booked already_booked booking_closed -
POST    /{id}/book              student     confirmed  already_booked already_booked already_booked booking_closed -
POST    /{id}/join              student     else       201 201 201 booking_closed booking_closed
POST    /{id}/join              student     pending    already_booked already_booked already_booked booking_closed -
POST    /{id}/join              student     confirmed  already_booked already_booked already_booked booking_closed -
DELETE  /{id}/book              student     else       not_booked not_booked not_booked not_booked not_booked
DELETE  /{id}/book              student     pending    200 200 200 booking_closed -
DELETE  /{id}/book              student     confirmed  200 200 200 booking_closed -
DELETE  /{id}/book              student     expired    hold_expired hold_expired hold_expired hold_expired hold_expired
GET     /{id}/bookings          its-expert  else       200 200 200 200 200
GET     /{id}/participants      signed-in   else       forbidden forbidden forbidden forbidden forbidden
GET     /{id}/participants      signed-in   owner      200 200 200 200 200
GET     /{id}/participants      signed-in   present    - roster roster - -
GET     /{id}/attendance        its-expert  else       200 200 200 200 200
GET     /{id}/attendance.csv    its-expert  else       200 200 200 200 200
GET     /{id}/calendar.ics      anyone      else       200 200 200 200 200
GET     /{id}/events            anyone      else       200 200 200 200 200
"""

ELSEWHERE = """
GET     /api/live-sessions                        anyone   200
POST    /api/live-sessions                        expert   201
GET     /api/live-sessions/                       anyone   200
POST    /api/live-sessions/                       expert   201
GET     /api/live-sessions/expert/my-sessions     expert   200
GET     /api/live-sessions/student/my-bookings    student  200
POST    /api/payments/webhook                     anyone   invalid_signature
GET     /healthz                                  anyone   200
GET     /readyz                                   anyone   200
GET     /metrics                                  anyone   200
GET     /openapi.json                             anyone   200
GET     /asyncapi.json                            anyone   200
GET     /                                         anyone   200
GET     /docs                                     anyone   200
GET     /favicon.ico                              anyone   200
GET     /static/style.css                         anyone   200
GET     /ws                                       anyone   101
"""
"""`GET /ws` is the handshake. A payment is believed by its signature: no token stands in for it."""

MESSAGES = """
auth      token             -           -           -
ping      -                 else        pong pong pong pong pong
watch     sessions          else        ok ok ok ok ok
watch     catalog           else        ok ok ok ok ok
unwatch   sessions,catalog  else        ok ok ok ok ok
leave     session           else        ok ok ok ok ok
roster    session           else        forbidden forbidden forbidden forbidden forbidden
join      session           anonymous   unauthenticated unauthenticated unauthenticated unauthenticated unauthenticated
join      session           else        not_booked not_booked not_booked not_booked not_booked
join      session           pending     payment_required payment_required payment_required payment_required -
join      session           confirmed   not_active ok ok not_active -
join      session           owner       not_active ok ok not_active not_active
"""
"""Of a connection that neither watches nor has joined: what one gets that does is tried beside. `auth` is, too."""

MISSING = {"ping": "pong", "watch": "ok", "unwatch": "ok", "leave": "ok", "roster": "forbidden", "join": "not_found"}
"""What a signed-in socket hears about a session that does not exist."""

TOLD: Mapping[str, str] = {
    "welcome": "anyone",
    "ok": "who asked",
    "error": "who asked, or whose seat is gone",
    "pong": "who asked",
    "expiring": "whose token ends",
    "drain": "anyone",
    "session": "who watches or has joined",
    "roster": "the host; who has joined, where the roster is open",
    "presence": "the host; who has joined, where the roster is open",
    "catalog": "who follows the catalog",
}
"""Every message of the server, and who may hear it."""

FLAGS = """
owner       JXES  JXES  JXEF  X   X
stranger    -     -     -     -   -
none        J     J     J     -   -
expired     J     J     J     -   -
anonymous   J     J     J     -   -
pending     B     B     B     B   -
confirmed   JB    JB    JB    B   -
"""
"""canJoin, isBooked, isExpert, canEdit, canStart and canEnd (F) by standing and state."""

LETTERS = {"J": "canJoin", "B": "isBooked", "X": "isExpert", "E": "canEdit", "S": "canStart", "F": "canEnd"}

MEETING = {"owner": STATES, "confirmed": ("open", "active")}
"""Who is shown where the session takes place, and when."""

ANSWERS_PEOPLE = {"/{id}/bookings", "/{id}/attendance", "/{id}/attendance.csv", "/{id}/participants"}
"""The only places where a student's name or id is shown to somebody else."""

LISTING = frozenset(
    "id title description instructor expertId courseId startsAt endsAt timezone date time duration durationMinutes "
    "participants maxParticipants live peakLive price isFree status startedAt endedAt version revision".split()
)
SESSION = LISTING | frozenset(LETTERS.values())
BOOKING = frozenset("id sessionId status createdAt confirmedAt cancelledAt expiresAt price".split())
PUBLIC_STATE = frozenset(
    "type session revision status live peakLive participants maxParticipants startsAt startedAt endedAt".split()
)

CREATE = (
    "title description startsAt durationMinutes timezone maxParticipants courseId price meetingUrl meetingPassword "
    "rosterVisibility"
).split()
"""What a body of `POST /` or `PATCH /:id` may hold."""


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: who may ask at all, and what becomes of it, by standing and state."""

    who: str
    outcomes: Mapping[str, tuple[str, ...]]

    def outcome(self, standing: str, state: str) -> str:
        """What is answered to `standing` while the session is in `state`."""
        for known in (standing, "confirmed" if standing == "present" else "else", "else"):
            if known in self.outcomes:
                outcome = self.outcomes[known][STATES.index(state)]
                assert outcome != "-", f"the table says that nobody can be {standing} while {state}"
                return outcome
        raise AssertionError(f"the table has no line for {standing}")


Operation = tuple[str, str]


def lines(text: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in text.strip().splitlines()]


def session_rows(text: str = SESSIONS) -> dict[Operation, Row]:
    """The operations on one session."""
    rows: dict[Operation, Row] = {}
    for method, path, who, standing, *outcomes in lines(text):
        assert who in WHO
        assert len(outcomes) == len(STATES)
        row = rows.setdefault((method, path), Row(who, {}))
        told = tuple(SHORT.get(outcome, outcome) for outcome in outcomes)
        rows[method, path] = Row(row.who, {**row.outcomes, standing: told})
    return rows


def elsewhere_rows(text: str = ELSEWHERE) -> dict[Operation, tuple[str, str]]:
    """The other operations: who may ask, and what becomes of it."""
    return {(method, path): (who, outcome) for method, path, who, outcome in lines(text)}


def message_rows(text: str = MESSAGES) -> dict[str, Row]:
    """The messages by type, `catalog` being a `watch` of it."""
    rows: dict[str, Row] = {}
    for kind, members, standing, *outcomes in lines(text):
        name = "catalog" if members == "catalog" else kind
        rows[name] = Row("anyone", {**(rows[name].outcomes if name in rows else {}), standing: tuple(outcomes)})
    return rows


def message_members(text: str = MESSAGES) -> dict[str, frozenset[str]]:
    """What each message may hold beside `type` and `id`."""
    members: dict[str, frozenset[str]] = {}
    for kind, names, *_ in lines(text):
        members[kind] = members.get(kind, frozenset()) | (frozenset(names.split(",")) - {"-"})
    return members


def flags(standing: str, state: str) -> dict[str, bool]:
    """The caller's own members of a session."""
    known = {name: row for name, *row in lines(FLAGS)}
    shown = known["confirmed" if standing == "present" else standing][STATES.index(state)]
    return {name: letter in shown for letter, name in LETTERS.items()}


def sees_meeting(standing: str, state: str) -> bool:
    """Whether the meeting is shown."""
    return state in MEETING.get("confirmed" if standing == "present" else standing, ())
