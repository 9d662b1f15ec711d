"""A change as bytes between processes: who sends it, its state as a ready `session` message, and the change itself.

    16 bytes   the sender's random origin
     4 bytes   how long the message is, little-endian
    …          the `session` message (JSON), as every watcher gets it
    …          the whole change (MessagePack, members by name: a process of another version may have more of them)

    16 bytes   a keyed hash of the channel's name and all that

Whoever may publish in the Redis of a hub could otherwise tell its watchers anything, and name themselves a host; and
two hubs that share a number by mistake would show each other's sessions.

The state travels twice on purpose: decoding it costs less than encoding the message again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import replace

import msgspec

from hub import news, views
from hub.domain.events import SessionChanged, without_meeting

ORIGIN_BYTES = 16
HASH_BYTES = 16
_LENGTH_BYTES = 4
_START = ORIGIN_BYTES + _LENGTH_BYTES

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SessionChanged).decode


class Undecodable(Exception):
    """Bytes that no hub of this version sent."""


def frame_of(change: SessionChanged) -> bytes:
    """The state of `change` as a `session` message."""
    return views.encode(news.session_message(change.state))


def pack(origin: bytes, change: SessionChanged, frame: bytes) -> bytes:
    """The payload. A meeting's address and password never get in, whatever `change.listing` holds."""
    listing = change.listing
    if listing is not None and any((listing.meeting_url, listing.sealed_url, listing.sealed_password)):
        change = replace(change, listing=without_meeting(listing))
    return b"".join((origin, len(frame).to_bytes(_LENGTH_BYTES, "little"), frame, _encode(change)))


def sign(key: bytes, channel: bytes, payload: bytes) -> bytes:
    """The payload for `channel`, so that only who has the key (64 bytes at most) can make it."""
    return payload + _hash(key, channel, payload)


def verified(keys: Iterable[bytes], channel: bytes, signed: bytes) -> bytes:
    """The payload that was signed for `channel` with one of `keys`; raises Undecodable."""
    payload, signature = signed[:-HASH_BYTES], signed[-HASH_BYTES:]
    if not any(hmac.compare_digest(signature, _hash(key, channel, payload)) for key in keys):
        raise Undecodable("it was not made by a hub with this HUB_SECRET_KEY")
    return payload


def _hash(key: bytes, channel: bytes, payload: bytes) -> bytes:
    digest = hashlib.blake2b(channel, digest_size=HASH_BYTES, key=key, person=b"hub.bus")
    digest.update(b"\0" + payload)
    return digest.digest()


def unpack(payload: bytes) -> tuple[SessionChanged, bytes]:
    """The change and its `session` message; raises Undecodable."""
    end = _START + int.from_bytes(payload[ORIGIN_BYTES:_START], "little")
    if len(payload) <= end:
        raise Undecodable("too short")
    try:
        return _decode(memoryview(payload)[end:]), payload[_START:end]
    except (msgspec.DecodeError, ValueError) as error:
        raise Undecodable(str(error)) from None
