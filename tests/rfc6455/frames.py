"""Frames as octets: any that a client could send, right or wrong, and what a server's first octets announce."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import cycle

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL, PROTOCOL_ERROR, NOT_UTF8, TOO_LARGE = 1000, 1002, 1007, 1009
"""Close codes of RFC 6455 §7.4.1 that the tests name often."""

MASK = bytes.fromhex("37fa213d")
"""The key of the example in RFC 6455 §5.7; the suite is the same each time, so none is drawn by lot."""


@dataclass(frozen=True)
class Frame:
    """A frame that was read."""

    opcode: int
    payload: bytes = b""


def header(
    opcode: int, length: int, *, fin: bool = True, rsv: int = 0, masked: bool = True, octets: int | None = None
) -> bytes:
    """What precedes the mask and the payload (§5.2).

    `rsv` is the three reserved bits as a number, `octets` the size of the extended length: 0, 2, 8, or the least
    that `length` needs.
    """
    if octets is None:
        octets = 0 if length < 126 else 2 if length < 65_536 else 8
    first = fin << 7 | rsv << 4 | opcode
    if octets == 0:
        return bytes([first, masked << 7 | length])
    return bytes([first, masked << 7 | (126 if octets == 2 else 127)]) + length.to_bytes(octets)


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    octets: int | None = None,
) -> bytes:
    """A whole frame; without a `mask` it is as only a server may send it (§5.1)."""
    head = header(opcode, len(payload), fin=fin, rsv=rsv, masked=mask is not None, octets=octets)
    return head + (payload if mask is None else mask + masked(payload, mask))


def masked(payload: bytes, mask: bytes) -> bytes:
    """The payload under the mask, or what was under it (§5.3)."""
    return bytes(octet ^ key for octet, key in zip(payload, cycle(mask), strict=False))


def fragments(*payloads: bytes, opcode: int = TEXT) -> list[bytes]:
    """One message as a frame for each of the payloads (§5.4)."""
    last = len(payloads) - 1
    return [
        frame(CONTINUATION if index else opcode, payload, fin=index == last) for index, payload in enumerate(payloads)
    ]


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """A close frame, with whatever is claimed to be a code and a reason (§5.5.1)."""
    return frame(CLOSE, (b"" if code is None else code.to_bytes(2)) + reason)


def ping(message_id: str = "", size: int = 0) -> bytes:
    """The text of the hub's own `ping`, which is answered by its id; with blanks up to `size` octets."""
    return json.dumps({"type": "ping", "id": message_id}, ensure_ascii=False).encode().ljust(size)


def pong(message_id: str = "") -> dict[str, str]:
    """What answers it."""
    return {"type": "pong", "id": message_id}
