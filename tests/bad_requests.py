"""Wrong requests, a line each: what is sent, and the refusal it must get."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from tests.running import API, SECRET, token

HOOK = "/api/payments/webhook"
GOOD: Mapping[str, Any] = {"title": "A session", "startsAt": "2099-01-01T10:00:00Z", "durationMinutes": 60}
JSON = "application/json"
FOREVER = 4_000_000_000


@dataclass(frozen=True)
class Bad:
    """A request: `path` may name sessions of the test's world in braces; `who` is whose token goes with it."""

    name: str
    method: str
    path: str
    status: int
    code: str
    body: bytes | None = None
    who: str | None = "expert"
    headers: Mapping[str, str] = field(default_factory=dict)
    pointer: str | None = None


def create(name: str, pointer: str, **members: Any) -> Bad:
    """A new session of which these members are wrong."""
    return raw(name, json.dumps({**GOOD, **members}).encode(), pointer)


def raw(name: str, body: bytes, pointer: str = "", status: int = 422, code: str = "invalid_input") -> Bad:
    """A new session from these very bytes."""
    return Bad(f"create: {name}", "POST", API, status, code, body, headers={"content-type": JSON}, pointer=pointer)


def edit(name: str, pointer: str, members: Any) -> Bad:
    """A wrong edit."""
    body = json.dumps(members).encode()
    path = f"{API}/{{open}}"
    return Bad(
        f"edit: {name}", "PATCH", path, 422, "invalid_input", body, headers={"content-type": JSON}, pointer=pointer
    )


def query(text: str, pointer: str, path: str = "", who: str | None = None) -> Bad:
    """A wrong query."""
    name = f"query: {path}?{text}"[:60]
    return Bad(name, "GET", f"{API}{path}?{text}", 422, "invalid_input", who=who, pointer=pointer)


def token_of(name: str, header: str, code: str = "unauthenticated") -> Bad:
    """A wrong Authorization header where someone must be signed in."""
    return Bad(f"auth: {name}", "GET", f"{API}/{{open}}", 401, code, who=None, headers={"authorization": header})


def signed(**claims: Any) -> str:
    """A header with well-signed claims that are wrong."""
    return "Bearer " + jwt.encode({"exp": FOREVER, **claims}, SECRET, algorithm="HS256")


def state(name: str, method: str, path: str, status: int, code: str, who: str | None = "expert") -> Bad:
    """A request that is well formed and not allowed."""
    body = json.dumps({"title": "Another"}).encode() if method == "PATCH" and path.count("/") == 1 else None
    headers = {} if body is None else {"content-type": JSON}
    return Bad(f"{name}", method, API + path, status, code, body, who, headers)


def typed(name: str, content_type: str | None) -> Bad:
    """A good body under a wrong name."""
    headers = {} if content_type is None else {"content-type": content_type}
    return Bad(
        f"type: {name}", "POST", API, 422, "invalid_input", json.dumps(GOOD).encode(), headers=headers, pointer=""
    )


def whole(member: str) -> bytes:
    """A good body with one more piece of text in it."""
    return json.dumps(GOOD)[:-1].encode() + b", " + member.encode() + b"}"


EDITS = (
    edit("a list", "", []),
    edit("null", "", None),
    edit("null title", "/title", {"title": None}),
    edit("empty title", "/title", {"title": ""}),
    edit("null start", "/startsAt", {"startsAt": None}),
    edit("start in the past", "/startsAt", {"startsAt": "2020-01-01T00:00:00Z"}),
    edit("true minutes", "/durationMinutes", {"durationMinutes": True}),
    edit("unknown", "/status", {"status": "active"}),
    edit("http meeting", "/meetingUrl", {"meetingUrl": "http://a.example"}),
    edit("bad price", "/price/currency", {"price": {"amount": 1, "currency": "€"}}),
    edit("bad zone", "/timezone", {"timezone": "../../etc/passwd"}),
    edit("two wrongs, the second named too", "/durationMinutes", {"title": "", "durationMinutes": 0}),
)

QUERIES = (
    *(query(f"page={text}", "/page") for text in ("0", "-1", "x", "", "1.5", "1e3", "%00", "true", "9" * 30, "+1x")),
    *(query(f"limit={text}", "/limit") for text in ("0", "101", "-5", "x", "", "10;drop", "%31%30%31")),
    *(query(f"sort={text}", "/sort") for text in ("x", "", "STARTSAT", "id", "-", "startsAt,id", "startsAt%00")),
    *(query(f"status={text}", "/status") for text in ("x", "", "Active", "scheduled,active", "scheduled&status=x")),
    *(query(f"free={text}", "/free") for text in ("x", "", "2", "yes%00", "null")),
    query("available=maybe", "/available"),
    *(query(f"startsAfter={text}", "/startsAfter") for text in ("x", "2099-01-01", "2099-01-01T10:00:00", "")),
    query("startsBefore=9999-12-31T23:59:59-12:00", "/startsBefore"),
    query("startsBefore=0001-01-01T00:00:00%2B14:00", "/startsBefore"),
    query("q=", "/q"),
    query("q=%00", "/q"),
    query("q=" + "a" * 201, "/q"),
    query("q=%ff", ""),
    query("q=%ed%a0%80", ""),
    query("courseId=%0a", "/courseId"),
    query("page=1&page=2", "/page"),
    query("sort=startsAt&sort=startsAt", "/sort"),
    query("&".join(f"a{number}=1" for number in range(101)), ""),
    query("limit=101", "/limit", "/expert/my-sessions", "expert"),
    query("page=0", "/page", "/student/my-bookings", "ann"),
    query("status=lost", "/status", "/{open}/bookings", "expert"),
    query("limit=0", "/limit", "/{open}/participants", "expert"),
)

PLACES = (
    *(
        state(f"no session {text[:12]!r}", "GET", f"/{text}", 404, "not_found")
        for text in (
            "0",
            "-1",
            "999999",
            "2147483648",
            "9" * 40,
            "1.0",
            "0x1",
            "1e2",
            "abc",
            "%00",
            "%ff",
            "%31%2e",
            "+1",
            "%D9%A1",
        )
    ),
    Bad("no such path", "GET", "/api/nothing", 404, "not_found"),
    Bad("no such file", "GET", "/static/%00", 404, "not_found"),
    Bad("up from the files", "GET", "/static/..%2f..%2fetc/passwd", 404, "not_found"),
    Bad("a file by POST", "POST", "/static/index.html", 405, "method_not_allowed"),
    Bad("PUT a list", "PUT", API, 405, "method_not_allowed"),
    Bad("PUT a session", "PUT", f"{API}/{{open}}", 405, "method_not_allowed"),
    Bad("DELETE the list", "DELETE", API, 405, "method_not_allowed"),
    Bad("a word nobody knows", "PURGE", f"{API}/{{open}}/start", 405, "method_not_allowed"),
    Bad("GET the webhook", "GET", HOOK, 405, "method_not_allowed"),
    Bad("POST health", "POST", "/healthz", 405, "method_not_allowed"),
    state("calendar of nothing", "GET", "/999999/calendar.ics", 404, "not_found"),
    state("events of nothing", "GET", "/999999/events", 404, "not_found"),
)

RIGHTS = (
    state("create as a student", "POST", "", 403, "forbidden", "ann"),
    state("create as nobody", "POST", "", 401, "unauthenticated", None),
    state("see as nobody", "GET", "/{open}", 401, "unauthenticated", None),
    state("edit as a student", "PATCH", "/{open}", 403, "forbidden", "ann"),
    state("edit another's", "PATCH", "/{open}", 403, "not_session_owner", "other"),
    state("cancel another's", "DELETE", "/{open}", 403, "not_session_owner", "other"),
    state("start another's", "PATCH", "/{open}/start", 403, "not_session_owner", "other"),
    state("start as a student", "PATCH", "/{open}/start", 403, "forbidden", "ann"),
    state("end another's", "PATCH", "/{active}/end", 403, "not_session_owner", "other"),
    state("end as nobody", "PATCH", "/{active}/end", 401, "unauthenticated", None),
    state("bookings of another's", "GET", "/{open}/bookings", 403, "not_session_owner", "other"),
    state("bookings as a student", "GET", "/{open}/bookings", 403, "forbidden", "ann"),
    state("attendance of another's", "GET", "/{open}/attendance", 403, "not_session_owner", "other"),
    state("attendance as a student", "GET", "/{open}/attendance.csv", 403, "forbidden", "ann"),
    state("participants unseen", "GET", "/{open}/participants", 403, "forbidden", "ann"),
    state("participants as nobody", "GET", "/{open}/participants", 401, "unauthenticated", None),
    state("book as an expert", "POST", "/{active}/book", 403, "forbidden"),
    state("book as nobody", "POST", "/{active}/book", 401, "unauthenticated", None),
    state("sessions of a student", "GET", "/expert/my-sessions", 403, "forbidden", "ann"),
    state("bookings of an expert", "GET", "/student/my-bookings", 403, "forbidden"),
    state("book nothing", "POST", "/999999/book", 404, "not_found", "ann"),
    state("start nothing", "PATCH", "/999999/start", 404, "not_found"),
    state("start twice", "PATCH", "/{active}/start", 409, "invalid_transition"),
    state("end what never began", "PATCH", "/{open}/end", 409, "invalid_transition"),
    state("end twice", "PATCH", "/{ended}/end", 409, "invalid_transition"),
    state("start what was cancelled", "PATCH", "/{cancelled}/start", 409, "invalid_transition"),
    state("cancel what is active", "DELETE", "/{active}", 409, "invalid_transition"),
    state("cancel twice", "DELETE", "/{cancelled}", 409, "invalid_transition"),
    state("edit what has ended", "PATCH", "/{ended}", 409, "invalid_transition"),
    state("book what is full", "POST", "/{full}/book", 409, "session_full", "bob"),
    state("book again", "POST", "/{full}/join", 409, "already_booked", "ann"),
    state("book what is held", "POST", "/{paid}/book", 409, "already_booked", "ann"),
    state("book what has ended", "POST", "/{ended}/book", 409, "booking_closed", "ann"),
    state("book what was cancelled", "POST", "/{cancelled}/join", 409, "booking_closed", "ann"),
    state("give back what is not held", "DELETE", "/{full}/book", 403, "not_booked", "bob"),
    *(
        Bad(f"If-Match {tag}", "PATCH", f"{API}/{{open}}", 412, "precondition_failed", b'{"title":"X"}',
            "expert", {"content-type": JSON, "if-match": tag})
        for tag in (
            '"0"', '"99"', "1", 'W/"1"', '"', '""', '"-1"', "'1'", '"1', '"' + "9" * 50 + '"', "", ",,", '"\xb2"',
        )
    ),
)  # fmt: skip

TOKENS = (
    token_of("empty", ""),
    token_of("Bearer alone", "Bearer"),
    token_of("Bearer and a blank", "Bearer "),
    token_of("Basic", "Basic YTpi"),
    token_of("no scheme", token("ann")),
    token_of("two tokens", f"Bearer {token('ann')} {token('bob')}"),
    token_of("by commas", f"Bearer {token('ann')}, Bearer {token('bob')}"),
    token_of("not ASCII", "Bearer \xfc\xe9"),
    token_of("three dots", "Bearer ..."),
    token_of("very long", "Bearer " + "a" * 20_000),
    token_of("cut", "Bearer " + token("ann")[:-3]),
    token_of("ended", "Bearer " + token("ann", ttl=-60), "token_expired"),
    token_of("unsigned", "Bearer " + jwt.encode({"sub": "a", "role": "expert", "exp": FOREVER}, "", algorithm="none")),
    token_of("HS512", "Bearer " + jwt.encode({"sub": "a", "role": "expert", "exp": FOREVER}, SECRET * 2, "HS512")),
    token_of("another's secret", "Bearer " + jwt.encode({"sub": "a", "role": "expert", "exp": FOREVER}, "x" * 40)),
    token_of("no sub", signed(role="student")),
    token_of("sub empty", signed(sub="", role="student")),
    token_of("sub with a control character", signed(sub="a\x00", role="student")),
    token_of("sub long", signed(sub="a" * 256, role="student")),
    token_of("no role", signed(sub="a")),
    token_of("role admin", signed(sub="a", role="admin")),
    token_of("role a list", signed(sub="a", role=["expert"])),
    token_of("name a number", signed(sub="a", role="student", name=7)),
    token_of("exp as text", signed(sub="a", role="student", exp=str(FOREVER))),
    token_of("exp never", signed(sub="a", role="student", exp=None)),
    token_of("exp without end", signed(sub="a", role="student", exp=float("inf"))),
    token_of("exp far", signed(sub="a", role="student", exp=10**20)),
    token_of("not yet", signed(sub="a", role="student", nbf=FOREVER)),
)

ALL = (*EDITS, *QUERIES, *PLACES, *RIGHTS, *TOKENS)
