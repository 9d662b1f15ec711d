"""HTTP requests that are nearly right, and noise, as hypothesis draws them: line, head and body, each spoiled alone."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.running import API, bearer, draft
from tests.security.near_frames import MARK, PIECES, SPITEFUL

METHODS = (
    *("GET", "POST", "PATCH", "DELETE") * 5, "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "G\u00c9T", "", MARK,
)  # fmt: skip
TARGETS = (
    *(API, f"{API}/1", f"{API}/1/book", f"{API}/1/start") * 3, f"{API}/1/bookings?limit=0", f"{API}/1/calendar.ics",
    f"{API}/expert/my-sessions?status=x", f"{API}?q=%ff%00", f"{API}?free=null&free=1", f"{API}/%00", "/", "/ws",
    f"{API}/../../etc", f"{API}/9999999999", "/api/payments/webhook", "/openapi.json", "/static/../hub.db", "*", "//",
    "/static/%2e%2e/x", "http://127.0.0.1/", "http://[", "\x00", "/\u00e9", f"/{MARK}?{MARK}", "/" + "a" * 9_000,
    "/?" + "a=1&" * 200,
)  # fmt: skip
VERSIONS = (*["HTTP/1.1"] * 12, "HTTP/1.0", "HTTP/2.0", "HTTP/9", "http/1.1", "")
LINES = (
    ("Host", "127.0.0.1"), ("Host", MARK), ("Host", ""), ("Content-Length", "0"), ("Content-Length", "-1"),
    ("Content-Length", "5"), ("Content-Length", "9" * 30), ("Content-Length", "1, 2"), ("Transfer-Encoding", "chunked"),
    ("Transfer-Encoding", "chunked, chunked"), ("Transfer-Encoding", "gzip"), ("Connection", "close"),
    ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Upgrade", "h2c"), ("Expect", "100-continue"),
    ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", MARK), ("Content-Type", "application/json"),
    ("Content-Type", "text/plain"), ("Content-Type", "application/json; charset=utf-16"), ("Authorization", "Bearer"),
    ("Authorization", f"Bearer a.{MARK}.c"), ("Authorization", "Basic YTpi"), ("If-Match", '"'), ("If-Match", MARK),
    ("Last-Event-ID", "-1"), ("Origin", "null"), ("Origin", f"https://{MARK}"), ("Accept-Encoding", "gzip;q=x"),
    ("Range", "bytes=0-,1-,2-"), ("webhook-id", MARK), ("webhook-timestamp", "x"), ("webhook-signature", "v1,x"),
    ("X-Forwarded-For", f"{MARK}, 1.2.3.4"), ("Cookie", "a=" + "b" * 5_000), ("x", "\x01\xff"), ("b\u00e4d", "1"),
    (" folded", "1"), ("", "1"), ("no colon", ""),
)  # fmt: skip

WHO = tuple(bearer(who, role)["Authorization"] for who, role in (("e-7", "expert"), ("ann", "student")))


def _body(members: dict[str, Any]) -> bytes:
    return json.dumps({**draft(), **members}).encode()


NAMES = ("title", "startsAt", "durationMinutes", "price", "timezone", "meetingUrl", "id", "extra", MARK)
bodies = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(SPITEFUL), max_size=3).map(_body),
    st.sampled_from(PIECES).map(lambda piece: _body({}).replace(b'"title"', piece.encode("utf-8", "replace"), 1)),
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"{}", b"\xff\xfe{\x00}\x00", b"[" * 20_000, b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"ffffffffff\r\n"]
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request: mostly with what every good one has, so that what is wrong is seen as such."""
    line = " ".join([draw(st.sampled_from(METHODS)), draw(st.sampled_from(TARGETS)), draw(st.sampled_from(VERSIONS))])
    body = draw(bodies)
    lines = draw(st.lists(st.sampled_from(LINES), max_size=2))
    if draw(st.integers(0, 4)):
        lines = [
            ("Host", "127.0.0.1"),
            ("Content-Length", str(len(body))),
            ("Content-Type", "application/json"),
            *lines,
        ]
    if draw(st.booleans()):
        lines.append(("Authorization", draw(st.sampled_from(WHO))))
    end = draw(st.sampled_from([*["\r\n"] * 12, "\n", "\r"]))
    head = end.join([line, *(f"{name}: {value}" if name != "no colon" else name for name, value in lines), "", ""])
    return head.encode("utf-8") + body


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A request with one place cut out or filled."""
    octets = draw(requests())
    at, until = sorted((draw(st.integers(0, min(len(octets), 400))), draw(st.integers(0, min(len(octets), 400)))))
    return octets[:at] + draw(st.binary(max_size=3)) + octets[until:]


noise = st.lists(requests() | requests() | spoiled() | st.binary(min_size=1, max_size=200), min_size=1, max_size=3).map(
    b"".join
)
"""One to three of them, one behind the other."""
