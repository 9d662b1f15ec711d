"""Who may open a socket: checked before the upgrade, where a refusal costs nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hub.errors import Forbidden, RateLimited, Unavailable
from hub.limits import Rate, network
from hub.sockets.lobby import Lobby

RETRY_AFTER = 5.0
KNOCKS, FEWEST_KNOCKS = 4, 60
"""Handshakes of an address in a minute, for each socket that it may hold, and at the least: a reconnect of everyone
who comes from there is fine, opening and closing without end is not."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A handshake: its headers in lower case, whether it is secure, and the peer's address."""

    headers: Mapping[str, str]
    secure: bool
    address: str

    @property
    def own_origin(self) -> str:
        """The origin of a page that this very hub serves (RFC 6454 §4).

        By the Host that was asked for, so a page whose name was bent to this hub's address (DNS rebinding) is of its
        own origin too. It sees what anyone may: there are no cookies, and a token lies with the page that it was given.
        """
        return f"{'https' if self.secure else 'http'}://{self.headers.get('host', '')}"


def by_name(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by name; of several lines of one name the values by commas (RFC 9110 §5.3): two origins are none."""
    headers: dict[str, str] = {}
    for name, value in lines:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class Door:
    """Lets visitors in and counts them; `leave` is to be called once for each that was let in."""

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        most = lobby.addresses.most
        self._knocks: Rate[str] | None = None if most is None else Rate(max(FEWEST_KNOCKS, KNOCKS * most))

    def enter(self, visitor: Visitor) -> None:
        """Raises Forbidden (403), RateLimited (429) or Unavailable (503)."""
        origin = visitor.headers.get("origin")
        if origin is not None and origin != visitor.own_origin and origin not in self._lobby.allowed_origins:
            raise Forbidden("This origin may not open a socket here: add it to HUB_ALLOWED_ORIGINS.")
        if self._lobby.draining:
            raise Unavailable("The hub restarts: come back.", retry_after=RETRY_AFTER)
        if self._knocks is not None:
            wait = self._knocks.take(network(visitor.address), time.monotonic()).wait
            if wait:
                raise RateLimited("Too many handshakes from this address.", retry_after=wait)
        if not self._lobby.total.enter(None):
            raise Unavailable("The hub holds as many connections as it can.", retry_after=RETRY_AFTER)
        if not self._lobby.addresses.enter(visitor.address):
            self._lobby.total.exit(None)
            raise RateLimited("Too many connections from this address.", retry_after=RETRY_AFTER)

    def leave(self, address: str) -> None:
        """Who came from `address` is gone."""
        self._lobby.total.exit(None)
        self._lobby.addresses.exit(address)
