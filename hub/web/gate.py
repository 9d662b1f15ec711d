"""What every request passes: who is it, and how often has it come."""

from __future__ import annotations

import math
from collections.abc import Callable

from hub.domain.people import Actor
from hub.errors import HubError, RateLimited
from hub.limits import Standing, network
from hub.tokens import Tokens
from hub.web.http import Fields

Take = Callable[[str, str], Standing]
"""Counts a request of a person or an address: the kind of which it is, and who."""


class TokenGate:
    """Counts requests by person, or by address for those without a valid token, and tells them how they stand."""

    def __init__(self, tokens: Tokens, per_minute: int | None, take: Take) -> None:
        """`take` has that many for each; None for no limit, and nothing is counted."""
        self._tokens = tokens
        self._take = None if per_minute is None else take
        self._policy = (b"ratelimit-policy", b'"default";q=%d;w=60' % (per_minute or 0))

    async def enter(self, authorization: str | None, address: str, told: Fields) -> Actor | None:
        """The actor, None without a token; `told` gets what the answer is to say of the limit, be it a refusal.

        Raises Unauthenticated, TokenExpired, RateLimited, Unavailable.
        """
        if authorization is None:
            self._count("address", network(address), told)
            return None
        try:
            actor = await self._tokens.bearer(authorization)
        except HubError:
            self._count("address", network(address), told)
            raise
        self._count("person", actor.id, told)
        return actor

    def _count(self, kind: str, who: str, told: Fields) -> None:
        """In the words of draft-ietf-httpapi-ratelimit-headers-10: what is left, and in how many seconds more is.

        That is all of it again or, for who is refused, the one that Retry-After is about.
        """
        if self._take is None:
            return
        standing = self._take(kind, who)
        seconds = max(1, math.ceil(standing.wait or standing.full))
        told += (self._policy, (b"ratelimit", b'"default";r=%d;t=%d' % (standing.left, seconds)))
        if standing.wait:
            raise RateLimited("Too many requests: wait as long as Retry-After says.", retry_after=standing.wait)
