"""What every answer passes on its way out: the headers that protect a browser, and the line of the log.

Whoever answers may leave in the scope what that line says: `hub.actor`, `hub.route` (a template), `hub.result` (a
refusal's code), `hub.reason` (why, where that is for the log alone), and `hub.revealed` where a secret was shown, which
is told even of reads.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.audit import OK, READS, Audit, path_of
from hub.errand import CURRENT, Errand
from hub.ids import new_id
from hub.protection import CLOSED, EVERYWHERE, OVER_TLS, PAGE, UNKEPT
from hub.tally import OTHER, Traffic

Headers = list[tuple[bytes, bytes]]

GIVEN = re.compile(rb"[\w.-]{1,64}", re.ASCII)
"""An X-Request-ID that is taken over as `given`. No JSON Web Token is as short."""


def _raw(headers: Mapping[str, str]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


PROBE = "/readyz"
NEITHER, HTML, SECURE = _raw(CLOSED), _raw(PAGE), _raw(OVER_TLS)
NO_STORE = (b"cache-control", UNKEPT.encode())
RESOURCE_POLICY = b"cross-origin-resource-policy"
OWN_RESOURCE = (RESOURCE_POLICY, EVERYWHERE[RESOURCE_POLICY.decode()].encode())


class Outside:
    """Goes around the whole application, its own failures included."""

    def __init__(self, app: ASGIApp, audit: Audit, traffic: Traffic, places: frozenset[str]) -> None:
        """`places` are the paths beside REST, which is told apart by `hub.route`."""
        self._app = app
        self._audit = audit
        self._traffic = traffic
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request in, and its answer out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        answered: Message = {"status": 0}
        request_id = ""
        # Only changes come to the ledger; what is read gets a name when there is a line to say it in.
        errand = None if scope["method"] in READS else Errand(new_id(), _given(scope["headers"]))
        before = CURRENT.set(errand)

        async def send_out(message: Message) -> None:
            nonlocal answered, request_id
            if message["type"] == "http.response.start":
                answered = message
                self._count(scope, message["status"], time.perf_counter() - begun)
                headers = message["headers"] = protected(message.get("headers", ()), scope["scheme"] == "https")
                if "hub.revealed" in scope or self._audit.wants(scope["method"], message["status"]):
                    request_id = errand.request if errand else new_id()
                    headers.append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_out)
        finally:
            CURRENT.reset(before)
            if request_id:
                errand = errand or Errand(request_id, _given(scope["headers"]))
                self._tell(scope, answered["status"], errand, time.perf_counter() - begun)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"]
        route = scope.get("hub.route") or (path if path in self._places else OTHER)
        self._traffic.answered(scope["method"], route, status, seconds)
        if status >= 400 and path != PROBE:  # a probe that hears "not ready" was refused nothing
            self._traffic.refusals["http", scope.get("hub.result", OTHER)] += 1

    def _tell(self, scope: Scope, status: int, errand: Errand, seconds: float) -> None:
        client = scope.get("client")
        actor, address = scope.get("hub.actor"), client[0] if client else ""
        if status >= 400 and not self._audit.has_room(actor, address):
            return
        self._audit.tell(
            "request",
            scope.get("hub.result", f"http_{status}") if status >= 400 else OK,
            actor,
            address,
            method=scope["method"],
            route=scope.get("hub.route"),
            path=path_of(scope["path"]),
            status=status,
            reason=scope.get("hub.reason"),
            ms=round(seconds * 1000, 1),
            request=errand.request,
            given=errand.given,
            session=errand.session,
            revision=errand.revision,
            group=errand.group,
            revealed=scope.get("hub.revealed"),
        )


def protected(headers: Headers, secure: bool) -> Headers:
    """These and those that protect; `secure` says that the request came over TLS."""
    added, kept, anywhere = NEITHER, False, False
    for name, value in headers:
        if name == b"content-type" and value.startswith(b"text/html"):
            added = HTML
        elif name == b"cache-control":
            kept = True
        elif name == RESOURCE_POLICY:
            anywhere = True
    whole = [*headers, *added]
    if anywhere:
        whole.remove(OWN_RESOURCE)
    if not kept:
        whole.append(NO_STORE)
    if secure:
        whole += SECURE
    return whole


def _given(headers: Headers) -> str | None:
    for name, value in headers:
        if name == b"x-request-id":
            return value.decode("latin-1") if GIVEN.fullmatch(value) else None
    return None
