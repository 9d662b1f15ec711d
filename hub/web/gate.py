"""What every request passes: who is it, and how often has it come."""

from __future__ import annotations

import time

from hub.domain.people import Actor
from hub.errors import HubError, RateLimited
from hub.limits import Rate
from hub.tokens import Tokens


class TokenGate:
    """Counts requests by person, or by address for those without a valid token."""

    def __init__(self, tokens: Tokens, rate: Rate[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._rate = rate

    async def enter(self, authorization: str | None, address: str) -> Actor | None:
        """The actor, None without a token; raises Unauthenticated, TokenExpired, RateLimited, Unavailable."""
        if authorization is None:
            self._count("address", address)
            return None
        try:
            actor = await self._tokens.bearer(authorization)
        except HubError:
            self._count("address", address)
            raise
        self._count("person", actor.id)
        return actor

    def _count(self, kind: str, who: str) -> None:
        wait = self._rate.wait((kind, who), time.monotonic())
        if wait:
            raise RateLimited("Too many requests: wait as long as Retry-After says.", retry_after=wait)
