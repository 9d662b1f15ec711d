"""How a handshake is refused: an HTTP answer of the same shape as REST's, before there is a socket."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from hub import views
from hub.audit import LONGEST, path_of
from hub.errors import Forbidden, HubError, InvalidInput, MethodNotAllowed, NotFound, RateLimited, TooLarge, Unavailable
from hub.protection import CLOSED, UNKEPT
from hub.sockets.door import Visitor
from hub.sockets.lobby import Lobby


class Answer(NamedTuple):
    """An HTTP answer, and the refusal's code for the log."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    code: str


STATUSES: Mapping[type[HubError], int] = {
    InvalidInput: 400,  # what a handshake gets wrong is its form, which RFC 6455 §4.2.2 answers by 400
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    RateLimited: 429,
    TooLarge: 431,  # a request's head
    Unavailable: 503,
}


def answer(refusal: HubError, path: str, status: int | None = None) -> Answer:
    """RFC 9457's problem, as everywhere; `status` where it is not the refusal's own."""
    status = STATUSES[type(refusal)] if status is None else status
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": refusal.message,
        "instance": path,
        "success": False,
        "code": refusal.code,
    }
    headers = {"content-type": "application/problem+json", "cache-control": UNKEPT, **CLOSED}
    retry_after = getattr(refusal, "retry_after", None)
    if retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(retry_after)))
    return Answer(status, headers, views.encode(body), refusal.code)


def tell(lobby: Lobby, action: str, refused: Answer, visitor: Visitor, path: str) -> None:
    """The line of the log, and the count: `open` is a handshake, `request` what is none."""
    origin = visitor.headers.get("origin")
    about = {"path": path_of(path), "status": refused.status, "origin": origin and origin[:LONGEST]}
    lobby.traffic.refusals["handshake" if action == "open" else "http", refused.code] += 1
    lobby.audit.tell_some(action, refused.code, None, visitor.address, **about)
