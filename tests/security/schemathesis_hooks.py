"""What no schema can say, told to schemathesis: which zones there are, what time it is, how money is signed."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import Any

import schemathesis
from hypothesis import strategies as st
from requests import PreparedRequest
from schemathesis import Case, HookContext
from schemathesis.core.parameters import ParameterLocation
from standardwebhooks import Webhook

ZONES = ["UTC", "Africa/Nairobi", "America/New_York", "Asia/Kathmandu"]
schemathesis.openapi.format("time-zone", st.sampled_from(ZONES))

SECRET = os.environ["HUB_PAYMENT_WEBHOOK_SECRET"]
STUDENT = os.environ.get("STUDENT_TOKEN")
"""If there is one, it goes with what is for students, instead of the other token."""

FOR_STUDENTS = re.compile(r".*/(my-bookings|book|join)")
SIGNED = {"webhook-id", "webhook-timestamp", "webhook-signature"}
FIRST, LAST = datetime(2100, 1, 1, tzinfo=UTC), datetime(8990, 1, 1, tzinfo=UTC)


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Move starts that are good instants to where sessions may start; sign what is to be believed."""
    if isinstance(case.body, dict) and "startsAt" in case.body:
        case.body["startsAt"] = _to_come(case.body["startsAt"])
    kwargs["auth"] = Sender(case)


def _to_come(starts: Any) -> Any:
    try:
        there = FIRST <= datetime.fromisoformat(starts) <= LAST
    except (TypeError, ValueError, OverflowError):
        return starts
    return starts if there else "2400" + starts[4:]


class Sender:
    """Sees the request as it goes out."""

    def __init__(self, case: Case[Any]) -> None:
        self._case = case

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if STUDENT and FOR_STUDENTS.fullmatch(self._case.operation.path) and "Authorization" in request.headers:
            request.headers["Authorization"] = f"Bearer {STUDENT}"
        if request.headers.get("Last-Event-ID", "").isdigit():
            request.headers["Last-Event-ID"] = "0"  # who has seen the newest is told nothing, and waits for ever
        if SIGNED <= set(map(str.lower, request.headers)) and self._good(ParameterLocation.HEADER):
            self._sign(request)
        return request

    def _good(self, location: ParameterLocation) -> bool:
        meta = self._case.meta
        return meta is None or location not in meta.components or meta.components[location].mode.is_positive

    def _sign(self, request: PreparedRequest) -> None:
        body: Any = request.body or ""
        text = body if isinstance(body, str) else bytes(body).decode("utf-8", "replace")
        at = datetime.now(UTC)
        request.headers["webhook-timestamp"] = str(int(at.timestamp()))
        request.headers["webhook-signature"] = Webhook(SECRET).sign(str(request.headers["webhook-id"]), at, text)
