"""What every request passes: who is it, and how often has it come."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.domain.people import Actor
from hub.errors import HubError, RateLimited
from hub.limits import Standing, network
from hub.tokens import Tokens
from hub.web.http import Fields
from hub.web.problems import problem

PATHS = 1024
"""Of which it is remembered whether they are REST's: finding out is a tenth of a request."""
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
            self.count(address, told)
            return None
        try:
            actor = await self._tokens.bearer(authorization)
        except HubError:
            self.count(address, told)
            raise
        self._count("person", actor.id, told)
        return actor

    def count(self, address: str, told: Fields) -> None:
        """Count a request of nobody in particular; `told` as in `enter`. Raises RateLimited."""
        self._count("address", network(address), told)

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


class Beside:
    """Counts by its address what no operation of REST does: the page, references and figures, preflights, and nothing.

    It goes around CORS, which answers preflights by itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        gate: TokenGate,
        rest: Sequence[BaseRoute],
        free: frozenset[str],
        cors: Callable[[ASGIApp], ASGIApp] | None = None,
    ) -> None:
        """`rest` are the routes that count for themselves, `free` the paths that nobody counts.

        `cors` goes around what answers pages of other origins, and answers preflights before any route is met.
        """
        self._app = app
        self._gate = gate
        self._rest = rest
        self._is_rest = lru_cache(PATHS)(self._matches)
        self._free = free
        self._preflights = cors is not None
        # A page reads of a refusal only what CORS lets it: without, it could not tell a 429 from a hub that is away.
        self._refuse = _refuse if cors is None else cors(_refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http" or scope["path"] in self._free or self._counts_itself(scope):
            await self._app(scope, receive, send)
            return
        told: Fields = []

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *told]
            await send(message)

        client, app = scope.get("client"), self._app
        try:
            self._gate.count(client[0] if client else "", told)
        except RateLimited as refusal:
            scope["hub.refusal"] = refusal
            app = _refuse if _is_preflight(scope) else self._refuse
        await app(scope, receive, send_told)

    def _counts_itself(self, scope: Scope) -> bool:
        if self._preflights and _is_preflight(scope):
            return False
        return self._is_rest(scope["path"], scope.get("root_path", ""))

    def _matches(self, path: str, root_path: str) -> bool:
        scope = {"type": "http", "method": "GET", "path": path, "root_path": root_path}
        return any(route.matches(scope)[0] is not Match.NONE for route in self._rest)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await problem(scope["hub.refusal"], scope["path"])(scope, receive, send)


def _is_preflight(scope: Scope) -> bool:
    asked = {name for name, _ in scope["headers"]}
    return scope["method"] == "OPTIONS" and {b"origin", b"access-control-request-method"} <= asked
