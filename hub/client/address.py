"""Where the hub is, as a WebSocket's address."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
TAKES = "an address like http://127.0.0.1:8000 or wss://hub.example/ws, without a user, query or fragment"


def address(url: str) -> str:
    """`url` as ws:// or wss://, with `/ws` where it says no more than which host; raises ValueError for any other.

    A query, a fragment or a user is refused, and not repeated: none is of use here, and addresses get into logs.
    """
    try:
        parts = urlsplit(url)
        scheme, there = SCHEMES.get(parts.scheme), bool(parts.hostname) and parts.port != 0
    except ValueError:
        scheme, there = None, False
    if scheme is None or not there or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"the hub's url takes {TAKES}")
    path = parts.path.rstrip("/")
    if parts.scheme.startswith("http") and not path.endswith("/ws"):
        path += "/ws"
    return urlunsplit((scheme, parts.netloc, path or "/ws", "", ""))
