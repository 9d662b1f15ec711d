"""Refusals as `application/problem+json` (RFC 9457): the one place where a code meets its HTTP status."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub import errors, views
from hub.domain.model import Booking
from hub.errors import HubError

log = logging.getLogger("hub.web")

MEDIA_TYPE = "application/problem+json"

STATUSES: Mapping[type[HubError], int] = {
    errors.InvalidSignature: 400,
    errors.Unauthenticated: 401,
    errors.TokenExpired: 401,
    errors.PaymentRequired: 402,
    errors.Forbidden: 403,
    errors.NotSessionOwner: 403,
    errors.NotBooked: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.SessionFull: 409,
    errors.AlreadyBooked: 409,
    errors.BookingClosed: 409,
    errors.InvalidTransition: 409,
    errors.CapacityBelowSeats: 409,
    errors.NotActive: 409,
    errors.HoldExpired: 410,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.InvalidInput: 422,
    errors.RateLimited: 429,
    errors.Internal: 500,
    errors.Unavailable: 503,
}


class FaultView(views.View):
    """One thing wrong with the input: `pointer` is a JSON pointer (RFC 6901) to it."""

    pointer: str
    detail: str


class Problem(views.View):
    """A refusal. `code` is stable; `detail` is a sentence that says what was wrong and what is accepted."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    success: bool
    code: str
    errors: list[FaultView] | msgspec.UnsetType = msgspec.UNSET
    booking: views.BookingView | msgspec.UnsetType = msgspec.UNSET


class ProblemResponse(Response):
    """A problem on its way, which leaves its code and its reason in the scope for the log."""

    media_type = MEDIA_TYPE

    def __init__(self, refusal: HubError, content: bytes, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(content, status, headers)
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        scope["hub.result"], scope["hub.reason"] = self._refusal.code, self._refusal.reason
        await super().__call__(scope, receive, send)


def status_of(refusal: HubError) -> int:
    """Its HTTP status: that of the nearest kind that has one."""
    # By the class alone, a lock that a migration held on the tables was told as our own fault: Locked is Unavailable.
    return next(STATUSES[kind] for kind in type(refusal).__mro__ if kind in STATUSES)


def problem(refusal: HubError, path: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a refused request."""
    status = status_of(refusal)
    faults = refusal.members.get("errors")
    booking: Booking | None = refusal.members.get("booking")
    body = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=refusal.message,
        instance=path,
        success=False,
        code=refusal.code,
        errors=[FaultView(pointer=fault.pointer, detail=fault.detail) for fault in faults] if faults else msgspec.UNSET,
        booking=msgspec.UNSET if booking is None else views.booking_view(booking, booking.created_at),
    )
    return ProblemResponse(refusal, views.encode(body), status, {**_headers(refusal), **(headers or {})})


def _headers(refusal: HubError) -> dict[str, str]:
    headers = {"cache-control": "no-store"}
    if isinstance(refusal, errors.RateLimited | errors.Unavailable):
        headers["retry-after"] = str(max(1, math.ceil(refusal.retry_after)))
    if isinstance(refusal, errors.Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    if isinstance(refusal, errors.TokenExpired):
        headers["www-authenticate"] = 'Bearer error="invalid_token", error_description="the token has ended"'
    return headers


async def framework_refusal(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405, told like ours."""
    assert isinstance(error, HTTPException)
    kinds: dict[int, type[HubError]] = {404: errors.NotFound, 405: errors.MethodNotAllowed, 413: errors.TooLarge}
    refusal = kinds.get(error.status_code, errors.InvalidInput)()
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 405:
        # Starlette's static files say 405 without the Allow that RFC 9110 §15.5.6 asks for; its routes in any order.
        headers["allow"] = ", ".join(sorted(headers.get("allow", "GET, HEAD").split(", ")))
    return problem(refusal, request.url.path, headers)


async def unexpected(request: Request, error: Exception) -> Response:
    """What nobody foresaw; it is logged where it was raised."""
    return problem(errors.Internal(), request.url.path)


def broke(what: str, error: Exception) -> HubError:
    """`error` as a refusal; what is not one is our own fault, and is logged."""
    if isinstance(error, HubError):
        return error
    log.error("%s broke", what, exc_info=error)
    return errors.Internal()
