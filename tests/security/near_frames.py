"""Frames that are nearly right, and noise, as hypothesis draws them: JSON, UTF-8 and framing, each spoiled alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from tests.rfc6455.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, fragments, frame, header
from tests.running import token

MARK = "canary-7f3a9c"
"""Stands in many frames, and may stand in no line of a log."""


@dataclass(frozen=True)
class Message:
    """A text message as frames that break no rule: it is answered once, and ends nothing."""

    octets: bytes


@dataclass(frozen=True)
class Control:
    """A ping or pong that breaks no rule: it is no message."""

    octets: bytes


@dataclass(frozen=True)
class Hostile:
    """What a socket may be ended for."""

    octets: bytes


SPITEFUL: tuple[Any, ...] = (
    None, True, 0, -1, 2**31, 2**53 + 1, 10**30, int("9" * 400), 1.5, 1e308, float("nan"), float("-inf"), "", MARK,
    "\ud800", "a" * 129, "\x00", "\u202eabc", "__proto__", [], {}, [[]], {"type": "ping"}, ["1"], [True], [1, 1],
)  # fmt: skip
TYPES = ("auth", "watch", "unwatch", "join", "leave", "roster", "ping", "shout", "PING", "", "session", MARK)
MEMBERS = ("id", "session", "sessions", "token", "catalog", "extra", "type ", MARK)
PIECES = (
    '"', "{", "}", "[", ",", ":", "\\", "\\u", '"\\ud800"', "\x00", "\x1f", "\ufeff", "\u2028", "NaN", "-Infinity",
    "1e999", "9" * 400, "[" * 3_000, '{"a":' * 2_000, ',"type":"ping"', ',"id":1,"id":2', "//", MARK, "é" * 50,
)  # fmt: skip
"""What text is spoiled with."""

scalars = st.sampled_from(SPITEFUL) | st.integers(-3, 4) | st.text(max_size=8)
values = scalars | st.lists(st.integers(-1, 3) | scalars, max_size=3)
near = st.builds(
    lambda kind, members: {"type": kind, **members},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(MEMBERS), values, max_size=3),
)
right = st.sampled_from(
    [
        {"type": "ping", "id": MARK}, {"type": "watch", "id": 7, "sessions": [1, 2, 2**31 - 1]},
        {"type": "unwatch", "sessions": [1]}, {"type": "watch", "catalog": True, "id": 1.5},
        {"type": "unwatch", "catalog": True, "id": -1}, {"type": "roster", "session": 1},
        {"type": "leave", "session": 1}, {"type": "join", "session": 1, "id": "j"},
        {"type": "auth", "token": token("bob"), "id": 3},
        {"type": "auth", "token": token("eve", ttl=-60)}, {"type": "auth", "token": f"a.{MARK}.c"},
    ]
)  # fmt: skip
"""Bob has no seat, so nobody gets into a session by these."""


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """The text of a message with one place of it cut out, doubled, or filled."""
    text = json.dumps(draw(right | near))
    at, until = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    middle = draw(st.sampled_from(["", text[at:until] * 2, *PIECES]))
    return text[:at] + middle + (text[until:] if draw(st.booleans()) else text[at:])


texts = st.one_of(right.map(json.dumps), near.map(json.dumps), spoiled(), values.map(json.dumps), st.text(max_size=40))
payloads = texts.map(lambda text: text.encode("utf-8", "replace")[:16_384])


def _whole(payload: bytes, in_parts: bool, cuts: Sequence[int], between: bytes) -> bytes:
    edges = [0, *sorted(cut % (len(payload) + 1) for cut in cuts), len(payload)]
    parts = fragments(*(payload[start:end] for start, end in pairwise(edges)))
    return between.join(parts) if in_parts else frame(TEXT, payload)


def _utf8(payload: bytes) -> bytes:
    return payload.decode("utf-8", "ignore").encode()


controls = st.builds(
    lambda opcode, payload: frame(opcode, payload), st.sampled_from([PING, PONG]), st.binary(max_size=125)
)
messages = st.builds(
    lambda payload, in_parts, cuts, between: Message(_whole(_utf8(payload), in_parts, cuts, between)),
    payloads,
    st.sampled_from([False, False, True]),
    st.lists(st.integers(0, 300), max_size=3),
    st.sampled_from([b"", frame(PING, b"p"), frame(PONG)]),
)
NOT_UTF8 = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80")
hostile = st.one_of(
    st.binary(min_size=1, max_size=80),
    st.builds(lambda payload, bad: frame(TEXT, payload[:50] + bad), payloads, st.sampled_from(NOT_UTF8)),
    st.builds(frame, st.sampled_from([TEXT, PING, BINARY]), payloads.map(lambda payload: payload[:125]),
              rsv=st.integers(1, 7)),
    st.builds(frame, st.integers(0, 15), st.binary(max_size=130), fin=st.booleans(), rsv=st.sampled_from([0, 0, 0, 1])),
    st.builds(lambda payload: frame(TEXT, payload, mask=None), payloads),
    st.builds(lambda payload: frame(BINARY, payload), payloads),
    st.builds(lambda payload: frame(CONTINUATION, payload), payloads),
    st.builds(lambda payload: frame(TEXT, payload, fin=False) * 2, payloads),
    st.builds(lambda payload, octets: frame(TEXT, payload[:120], octets=octets), payloads, st.sampled_from([2, 8])),
    st.builds(lambda size: header(TEXT, size, octets=8) + b"\x00" * 4, st.sampled_from([16_385, 2**31, 2**63 - 1])),
    st.builds(lambda code, why: frame(CLOSE, code.to_bytes(2) + why), st.integers(0, 65_535), st.binary(max_size=123)),
    st.sampled_from([frame(CLOSE), frame(CLOSE, b"\x03"), frame(PING, b"a" * 126), frame(PING, fin=False)]),
    st.builds(lambda payload: frame(TEXT, payload)[: len(payload)], payloads),
).map(Hostile)  # fmt: skip
"""The last one is a frame that breaks off."""


@dataclass(frozen=True)
class Burst:
    """What one socket sends at once; after `after` (if anything) it may be ended."""

    before: Sequence[Message | Control]
    after: Sequence[Message | Control | Hostile]

    @property
    def octets(self) -> bytes:
        """All of it."""
        return b"".join(sent.octets for sent in (*self.before, *self.after))

    @property
    def size(self) -> int:
        """How many frames (a message in parts counts once)."""
        return len(self.before) + len(self.after)

    @property
    def asked(self) -> int:
        """How many answers are due for what broke no rule."""
        return sum(isinstance(sent, Message) for sent in self.before)


def bursts(size: int) -> st.SearchStrategy[Burst]:
    """Bursts of `size` frames; a third of them end with what is hostile."""
    good: st.SearchStrategy[Any] = messages | messages | messages | controls.map(Control)
    kind = st.builds(Burst, st.lists(good, min_size=size, max_size=size), st.just(()))
    bad = st.builds(
        lambda before, bad, then: Burst(before, (bad, *then)),
        st.lists(good, min_size=size - 4, max_size=size - 4),
        hostile,
        st.lists(good | hostile, min_size=3, max_size=3),
    )
    return kind | kind | bad
