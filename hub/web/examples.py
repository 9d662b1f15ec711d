"""What each route may be asked, and answers then: the examples of the reference, by the operation's name there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from hub import samples, views
from hub.domain.payments import Outcome, PaymentType
from hub.errors import InvalidInput
from hub.web import forms
from hub.web.exports import attendance_csv
from hub.web.http import JSON, Operation
from hub.web.payments import OutcomeView
from hub.web.problems import problem

SESSION_ID = samples.SCHEDULED.id

_EDITED = replace(
    samples.SCHEDULED, title="Smart Farming, Questions and Answers", max_participants=80, version=2, revision=2
)

BODIES: Mapping[type[forms.Form], Any] = {
    forms.CreateSession: samples.NEW_SESSION,
    forms.EditSession: {"title": _EDITED.title, "maxParticipants": _EDITED.max_participants},
    forms.PaymentMessage: {
        "type": PaymentType.SUCCEEDED,
        "data": {"bookingId": samples.SEAT.id, "amount": 150_000, "currency": "KES", "reference": "pay_7Q2M"},
    },
}
"""By form: a body that is taken as it stands."""

QUERIES: Mapping[type[forms.Form], Mapping[str, Any]] = {
    forms.SessionsQuery: {"status": ["scheduled", "active"], "sort": "startsAt", "limit": 5},
    forms.BookingsQuery: {"status": ["confirmed"], "limit": 50},
    forms.PageQuery: {"limit": 50},
}
"""By form: those of its parameters that an example asks with."""

_JANES = samples.seen(samples.ACTIVE, samples.JANE)
_AMINAS = samples.seen(samples.ACTIVE, samples.AMINA, samples.SEAT)
_SEAT = views.booking_view(samples.SEAT, samples.BOOKED)

_DATA: Mapping[str, Any] = {
    "get_sessions": [_AMINAS],
    "post_sessions": samples.seen(samples.SCHEDULED, samples.JANE),
    "get_expert_my_sessions": [_JANES],
    "get_student_my_bookings": [views.my_booking(samples.SEAT, _AMINAS, samples.STARTED)],
    "get_one": samples.detail(),
    "patch_one": samples.seen(_EDITED, samples.JANE),
    "delete_one": samples.seen(samples.CALLED_OFF, samples.JANE),
    "patch_one_start": _JANES,
    "patch_one_end": samples.seen(samples.OVER, samples.JANE),
    "post_one_book": _SEAT,
    "post_one_join": _SEAT,
    "delete_one_book": views.booking_view(samples.GIVEN_BACK, samples.BOOKED),
    "get_one_bookings": [views.student_booking(samples.SEAT, samples.AMINA, samples.STARTED)],
    "get_one_participants": [samples.present(samples.AMINA, -40), samples.present(samples.BEN, 65)],
    "get_one_attendance": samples.attendance(),
    "post_api_payments_webhook": OutcomeView(outcome=Outcome.CONFIRMED),
}
"""What stands in an answer's `data`, or is the whole of a bare one."""


def body(operation: Operation) -> Any:
    """A body for it, None when it takes none."""
    kind = operation.body or operation.raw_body
    return None if kind is None else BODIES[kind]


def answer(operation: Operation, name: str) -> Any:
    """A whole answer of the operation that the reference calls `name`: JSON as a value, anything else as text."""
    if operation.media_type == JSON:
        return _whole(operation, _DATA[name])
    if name == "get_one_events":
        told = samples.state()
        return {"event": "session", "id": str(told.revision), "data": views.encode(told).decode()}
    if name == "get_one_attendance_csv":
        return attendance_csv(samples.attendance()).decode()
    from hub.web.calendar import entry

    return entry(samples.SCHEDULED, samples.CREATED, samples.CREATED).decode()


def _whole(operation: Operation, data: Any) -> Any:
    if operation.bare:
        return data
    if not operation.listed:
        return {"success": True, "data": data}
    limit = QUERIES[operation.query or forms.PageQuery]["limit"]
    page = {"page": 1, "limit": limit, "total": len(data), "totalPages": 1}
    return {"success": True, "data": data, "pagination": page}


def refusal() -> Any:
    """What is said to a body with two faults."""
    wrong = {**samples.NEW_SESSION, "durationMinutes": 0, "timezone": "Nairobi"}
    try:
        forms.read(forms.CreateSession, wrong)
    except InvalidInput as refused:
        return msgspec.json.decode(problem(refused, "/api/live-sessions").body)
    raise AssertionError("the example of a refusal was not refused")
