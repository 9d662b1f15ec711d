"""Every route of the hub, once: routing, the reference and its test are made from this table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub import errors, views
from hub.web import forms
from hub.web.exports import Exports
from hub.web.http import EVENT_STREAM, Operation
from hub.web.payments import OutcomeView, Payments
from hub.web.rest import Rest
from hub.web.sse import Events

BASE = "/api/live-sessions"
OWNER = (errors.NotSessionOwner, errors.Forbidden)


@dataclass(frozen=True, slots=True)
class Services:
    """Who answers."""

    rest: Rest
    exports: Exports
    events: Events
    payments: Payments


def operations(services: Services) -> Sequence[Operation]:
    """The table; what is asked for most stands first, since routes are tried in this order."""
    return (
        *_lists(services.rest),
        *_bookings(services.rest),
        *_sessions(services.rest),
        *_presence(services),
        Operation(
            method="POST",
            path="/api/payments/webhook",
            summary="A payment provider's signed message (Standard Webhooks)",
            handler=services.payments.receive,
            who="anyone",
            raw_body=forms.PaymentMessage,
            answers=OutcomeView,
            bare=True,
            codes=(errors.InvalidSignature, errors.InvalidInput),
        ),
    )


def _lists(rest: Rest) -> Sequence[Operation]:
    return (
        Operation(
            method="GET",
            path=BASE,
            summary="A page of sessions, those scheduled or active unless `status` asks for others",
            handler=rest.list_sessions,
            who="anyone",
            query=forms.SessionsQuery,
            answers=views.SessionView,
            listed=True,
        ),
        Operation(
            method="POST",
            path=BASE,
            summary="Create a session",
            handler=rest.create,
            who="expert",
            body=forms.CreateSession,
            answers=views.SessionView,
            status=201,
            codes=(errors.Forbidden,),
        ),
        Operation(
            method="GET",
            path=f"{BASE}/expert/my-sessions",
            summary="A page of one's own sessions, of every status",
            handler=rest.my_sessions,
            who="expert",
            query=forms.SessionsQuery,
            answers=views.SessionView,
            listed=True,
            codes=(errors.Forbidden,),
        ),
        Operation(
            method="GET",
            path=f"{BASE}/student/my-bookings",
            summary="A page of one's own bookings, newest first, each with its session",
            handler=rest.my_bookings,
            who="student",
            query=forms.PageQuery,
            answers=views.MyBooking,
            listed=True,
            codes=(errors.Forbidden,),
        ),
    )


def _sessions(rest: Rest) -> Sequence[Operation]:
    one = f"{BASE}/{{id}}"
    return (
        Operation(
            method="GET",
            path=one,
            summary="One session, with the caller's booking and, when allowed, the meeting",
            handler=rest.show,
            answers=views.SessionDetail,
        ),
        Operation(
            method="PATCH",
            path=one,
            summary="Edit a session; If-Match is honoured",
            handler=rest.edit,
            who="expert",
            body=forms.EditSession,
            answers=views.SessionView,
            codes=(*OWNER, errors.InvalidTransition, errors.CapacityBelowSeats, errors.PreconditionFailed),
        ),
        Operation(
            method="DELETE",
            path=one,
            summary="Call a session off; its bookings follow, nothing is erased",
            handler=rest.cancel,
            who="expert",
            answers=views.SessionView,
            codes=(*OWNER, errors.InvalidTransition),
        ),
        Operation(
            method="PATCH",
            path=f"{one}/start",
            summary="Start a session",
            handler=rest.start,
            who="expert",
            answers=views.SessionView,
            codes=(*OWNER, errors.InvalidTransition),
        ),
        Operation(
            method="PATCH",
            path=f"{one}/end",
            summary="End a session; every open visit closes with the same instant",
            handler=rest.end,
            who="expert",
            answers=views.SessionView,
            codes=(*OWNER, errors.InvalidTransition),
        ),
    )


def _bookings(rest: Rest) -> Sequence[Operation]:
    one = f"{BASE}/{{id}}"
    refusals = (errors.Forbidden, errors.SessionFull, errors.AlreadyBooked, errors.BookingClosed)
    return (
        *(
            Operation(
                method="POST",
                path=f"{one}/{word}",
                summary=summary,
                handler=rest.book,
                who="student",
                answers=views.BookingView,
                status=201,
                codes=refusals,
            )
            for word, summary in (("book", "Book a seat"), ("join", "Book a seat, under its other name"))
        ),
        Operation(
            method="DELETE",
            path=f"{one}/book",
            summary="Give the seat back",
            handler=rest.cancel_booking,
            who="student",
            answers=views.BookingView,
            codes=(errors.Forbidden, errors.NotBooked, errors.BookingClosed, errors.HoldExpired),
        ),
        Operation(
            method="GET",
            path=f"{one}/bookings",
            summary="A page of a session's bookings, each with its student",
            handler=rest.bookings,
            who="expert",
            query=forms.BookingsQuery,
            answers=views.StudentBooking,
            listed=True,
            codes=OWNER,
        ),
    )


def _presence(services: Services) -> Sequence[Operation]:
    one = f"{BASE}/{{id}}"
    return (
        Operation(
            method="GET",
            path=f"{one}/participants",
            summary="A page of the people present now",
            handler=services.rest.participants,
            query=forms.PageQuery,
            answers=views.PresentView,
            listed=True,
            codes=(errors.Forbidden,),
        ),
        Operation(
            method="GET",
            path=f"{one}/attendance",
            summary="Who was there, and for how long",
            handler=services.rest.attendance,
            who="expert",
            answers=views.AttendanceView,
            codes=OWNER,
        ),
        Operation(
            method="GET",
            path=f"{one}/attendance.csv",
            summary="The same as CSV, a line a person",
            handler=services.exports.attendance_csv,
            who="expert",
            media_type="text/csv",
            codes=OWNER,
        ),
        Operation(
            method="GET",
            path=f"{one}/calendar.ics",
            summary="The session as one iCalendar event",
            handler=services.exports.calendar,
            who="anyone",
            media_type="text/calendar",
        ),
        Operation(
            method="GET",
            path=f"{one}/events",
            summary="The public state as server-sent events; Last-Event-ID is honoured",
            handler=services.events.follow,
            who="anyone",
            media_type=EVENT_STREAM,
        ),
    )
