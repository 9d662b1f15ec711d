"""What travels: the change as it was, never a secret, and nothing of what strangers send."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from hub.bus import wire
from hub.domain.events import Present, SessionChanged, VisitClosed, born
from hub.domain.model import LeaveReason
from hub.domain.people import Role
from tests.bus.listening import a_change
from tests.domain.factories import NOW, PRICE, a_session

ORIGIN = bytes(range(100, 116))
CANARIES = ("canary-of-the-meeting", "canary-of-the-seal", "canary-of-the-password")
WHOLE = replace(
    a_change(),
    joined=(Present("s-1", "Ann", Role.STUDENT, NOW),),
    left=("s-2", "s-3"),
    closed=(VisitClosed("v-1", LeaveReason.NODE_LOST),),
    listing=born(a_session(price=PRICE)).listing,
)


@pytest.mark.parametrize("change", [a_change(), born(a_session()), WHOLE])
def test_a_change_comes_out_as_it_went_in_with_its_message(change: SessionChanged) -> None:
    frame = wire.frame_of(change)
    payload = wire.pack(ORIGIN, change, frame)

    assert wire.unpack(payload) == (change, frame)
    assert payload.startswith(ORIGIN)


def test_no_secret_of_a_session_is_in_the_bytes() -> None:
    secretive = a_session(
        meeting_url=f"https://{CANARIES[0]}.example", sealed_url=CANARIES[1], sealed_password=CANARIES[2]
    )
    for change in (born(secretive), replace(WHOLE, listing=secretive)):
        payload = wire.pack(ORIGIN, change, wire.frame_of(change))
        assert not [canary for canary in CANARIES if canary.encode() in payload]

    control = msgspec.msgpack.encode(replace(WHOLE, listing=secretive))
    assert [canary for canary in CANARIES if canary.encode() in control] == list(CANARIES)


GOOD = wire.pack(ORIGIN, a_change(), wire.frame_of(a_change()))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        ORIGIN,
        GOOD[:-1],
        GOOD[:40],
        ORIGIN + b"\xff" * 50,
        ORIGIN + bytes(4) + msgspec.msgpack.encode({"a": 1}),
    ],
)
def test_what_no_hub_sent_is_refused(payload: bytes) -> None:
    with pytest.raises(wire.Undecodable):
        wire.unpack(payload)


def test_a_newer_version_may_say_more() -> None:
    known = msgspec.msgpack.decode(msgspec.msgpack.encode(WHOLE))
    assert isinstance(known, dict)
    frame = wire.frame_of(WHOLE)
    payload = wire.pack(ORIGIN, WHOLE, frame)
    head = payload[: wire.ORIGIN_BYTES + 4 + len(frame)]

    assert wire.unpack(head + msgspec.msgpack.encode(known | {"mood": "good"})) == (WHOLE, frame)


@pytest.mark.parametrize(
    ("key", "channel", "end"),
    [
        (b"another", b"hub:1:0:session:1", b""),
        (b"key", b"hub:1:0:session:2", b""),
        (b"key", b"hub:1:0:session:1", b"!"),
    ],
    ids=["another key", "another channel", "another content"],
)
def test_what_was_not_signed_with_this_key_for_this_channel_is_refused(key: bytes, channel: bytes, end: bytes) -> None:
    signed = wire.sign(b"key", b"hub:1:0:session:1", GOOD)
    assert wire.verified([b"key"], b"hub:1:0:session:1", signed) == GOOD
    with pytest.raises(wire.Undecodable, match="HUB_SECRET_KEY"):
        wire.verified([key], channel, signed + end)
