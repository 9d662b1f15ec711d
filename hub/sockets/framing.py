"""Heads of requests that two readers could understand in two ways: refused, since that is how requests are smuggled.

What is malformed is llhttp's to refuse, and it does: two lengths, a length beside chunks, blanks before a colon, folded
lines, bare line feeds. Here is what it lets pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hub.errors import InvalidInput

HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?")
"""A name or an address, and a port (RFC 9112 §3.2); what else a URI's authority may hold names no server."""
CHUNKED = b"chunked"
SINGLE = frozenset(
    {b"authorization", b"content-type", b"origin", b"webhook-id", b"webhook-timestamp", b"webhook-signature"}
)
"""Lines of which there can be only one: who reads the first and who reads the last would believe different things."""


def fault(version: str, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> InvalidInput | None:
    """What is wrong with a head whose names are in lower case; None for nothing."""
    if version not in ("1.1", "1.0"):
        return InvalidInput("This is no request of HTTP/1.1 or HTTP/1.0, which are spoken here.")
    hosts, codings, singles = [], [], []
    for name, value in headers:
        if name == b"host":
            hosts.append(value.strip(b" \t"))
        elif name == b"transfer-encoding":
            codings.append(value)
        elif name in SINGLE:
            singles.append(name)
    if len(singles) != len(set(singles)):
        return InvalidInput(f"A request names {', '.join(sorted(name.decode().title() for name in SINGLE))} once each.")
    if codings and (version == "1.0" or len(codings) > 1 or codings[0].strip().lower() != CHUNKED):
        return InvalidInput("A body comes with its length or, in HTTP/1.1, in chunks and nothing else (RFC 9112 §6.1).")
    return _misplaced(version, target, hosts)


def _misplaced(version: str, target: bytes, hosts: Sequence[bytes]) -> InvalidInput | None:
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        return InvalidInput("A request names its Host once (RFC 9112 §3.2).")
    if hosts and not HOST.fullmatch(hosts[0]):
        return InvalidInput("The Host is a name or an address, and a port if need be (RFC 9112 §3.2).")
    if b"#" in target:
        return InvalidInput("What is asked for has no fragment (RFC 9112 §3.2).")
    if hosts and not target.startswith(b"/") and _authority(target) not in (None, hosts[0].lower()):
        return InvalidInput("What is asked for is at another host than Host says (RFC 9112 §3.2.2).")
    return None


def _authority(target: bytes) -> bytes | None:
    """The host and port of a target that is a whole URI."""
    _, separator, rest = target.partition(b"://")
    return re.split(rb"[/?]", rest, maxsplit=1)[0].lower() if separator else None
