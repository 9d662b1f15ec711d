"""Wrong frames, a line each: what is sent on a socket, and the refusal or the close it must get."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

UNKNOWN = 2**31 - 1


@dataclass(frozen=True)
class Frame:
    """A frame: `answer` is the code of the error, or a close code; `id` is what must come back."""

    name: str
    data: str | bytes
    answer: str | int = "invalid_input"
    id: Any = None
    who: str | None = None


def said(name: str, code: str = "invalid_input", who: str | None = None, **message: Any) -> Frame:
    """A message with an id, which comes back."""
    return Frame(name, json.dumps({"id": 7, **message}), code, message.get("id", 7), who)


def odd_id(name: str, text: str) -> Frame:
    """A good ping under an id that none may use: it is refused, and not echoed."""
    return Frame(f"id {name}", '{"type":"ping","id":' + text + "}")


SESSIONS: tuple[tuple[str, Any], ...] = (
    ("101 of them", list(range(1, 102))),
    ("texts", ["1"]),
    ("a text", "1"),
    ("a number", 1),
    ("null", None),
    ("an object", {"1": 1}),
    ("zero", [0]),
    ("a negative", [-1]),
    ("huge", [2**31]),
    ("very huge", [10**30]),
    ("a fraction", [1.5]),
    ("true", [True]),
    ("null within", [None]),
    ("lists within", [[1]]),
)

IDS: tuple[tuple[str, Any], ...] = (
    ("zero", 0),
    ("negative", -1),
    ("huge", 2**31),
    ("text", "1"),
    ("true", True),
    ("fraction", 1.5),
    ("list", [1]),
    ("null", None),
    ("object", {}),
)

NO_TRUTHS: tuple[Any, ...] = (None, "true", 1, 0, [], {})
NO_TEXTS: tuple[Any, ...] = (None, 7, True, [], {}, ["a"])

NO_JSON = (
    Frame("nothing", ""),
    Frame("white space", "  \n"),
    Frame("words", "hello"),
    Frame("half of it", '{"type":"ping"'),
    Frame("two at once", '{"type":"ping"}{"type":"ping"}'),
    Frame("two lines", '{"type":"ping"}\n{"type":"ping"}'),
    Frame("single quotes", "{'type':'ping'}"),
    Frame("a comma too many", '{"type":"ping",}'),
    Frame("a mark", '\ufeff{"type":"ping"}'),
    Frame("NUL", '{"type":"ping"}\x00'),
    Frame("a control character", '{"type":"ping","id":"\x01"}'),
    Frame("a name twice", '{"type":"ping","type":"join"}'),
    Frame("an id twice", '{"type":"ping","id":1,"id":2}'),
    Frame("NaN", '{"type":"ping","id":NaN}'),
    Frame("Infinity", '{"type":"ping","id":-Infinity}'),
    Frame("1e999", '{"type":"ping","id":1e999}'),
    Frame("5,000 digits", '{"type":"ping","id":' + "9" * 5_000 + "}"),
    Frame("a lone surrogate", '{"type":"ping","id":"\\ud800"}'),
    Frame("a surrogate in a name", '{"type":"ping","\\udc00":1}'),
    Frame("depth 8,000", "[" * 8_000 + "]" * 8_000),
    Frame("deep in a member", '{"type":"watch","sessions":' + "[" * 5_000 + "]" * 5_000 + "}"),
    Frame("deep and half", '{"a":' * 3_000),
    Frame("a list", '[{"type":"ping"}]'),
    Frame("a string", '"ping"'),
    Frame("a number", "7"),
    Frame("null", "null"),
    Frame("true", "true"),
)

TYPES = (
    said("no type"),
    said("unknown type", type="shout"),
    said("type of capitals", type="PING"),
    said("type with a blank", type="ping "),
    said("empty type", type=""),
    said("type null", type=None),
    said("type a number", type=1),
    said("type a list", type=["ping"]),
    said("type an object", type={"ping": 1}),
    said("a server's type", type="welcome"),
    said("a server's session", type="session", session=1),
    said("long type", type="p" * 10_000),
    said("a member too many", type="ping", extra=1),
    said("a member too many in join", type="join", session=1, role="expert"),
    said("a prototype", type="ping", __proto__={}),
)

ODD_IDS = (
    odd_id("a list", "[1]"),
    odd_id("an object", "{}"),
    odd_id("true", "true"),
    odd_id("over 2^53", str(2**53 + 1)),
    odd_id("under -2^53", str(-(2**53) - 1)),
    odd_id("20 digits", "9" * 20),
    odd_id("300 digits", "9" * 300),
    odd_id("long text", '"' + "a" * 129 + '"'),
)

MEMBERS = (
    *(said(f"watch: {name}", type="watch", sessions=value) for name, value in SESSIONS),
    *(said(f"unwatch: {name}", type="unwatch", sessions=value) for name, value in SESSIONS),
    *(said(f"join: {name}", type="join", session=value) for name, value in IDS),
    *(said(f"leave: {name}", type="leave", session=value) for name, value in IDS),
    *(said(f"roster: {name}", type="roster", session=value) for name, value in IDS),
    *(
        said(f"catalog: {value!r}", type="watch", catalog=value)
        for value in NO_TRUTHS
    ),
    *(said(f"token: {value!r}", type="auth", token=value) for value in NO_TEXTS),
    said("auth without a token", type="auth"),
    said("join without a session", type="join"),
    said("leave without a session", type="leave"),
    said("roster without a session", type="roster"),
    said("join of many", type="join", sessions=[1]),
    said("watch of one", type="watch", session=1),
    said("auth with more", type="auth", token="x", role="expert"),
)  # fmt: skip

REFUSED = (
    said("auth of nothing", "unauthenticated", type="auth", token=""),
    said("auth of nonsense", "unauthenticated", type="auth", token="a.b.c"),
    said("auth of bytes", "unauthenticated", type="auth", token="\x00\xff\u2028"),
    said("auth of 16 kB", "unauthenticated", type="auth", token="a" * 16_000),
    said("join before auth", "unauthenticated", type="join", session=1),
    said("join without a seat", "not_booked", "bob", type="join", session=1),
    said("join of nothing", "not_found", "ann", type="join", session=UNKNOWN),
    said("join of what has ended", "not_active", "e-7", type="join", session=2),
    said("roster of nothing", "forbidden", "ann", type="roster", session=UNKNOWN),
    said("roster before watching", "forbidden", "e-7", type="roster", session=1),
    said("roster as nobody", "forbidden", type="roster", session=1),
)

CLOSED = (
    Frame("binary JSON", b'{"type":"ping"}', 4400),
    Frame("binary nothing", b"", 4400),
    Frame("binary noise", bytes(range(256)), 4400),
    Frame("binary, large", b"\x00" * 16_000, 4400),
    Frame("one byte too large", "a" * 16_385, 1009),
    Frame("too large in bytes, not in letters", "é" * 8_193, 1009),
    Frame("binary too large", b"a" * 20_000, 1009),
)

ALL = (*NO_JSON, *TYPES, *ODD_IDS, *MEMBERS, *REFUSED, *CLOSED)
