"""Every refusal of the hub. The docstring is the message; `code` is what callers may rely on.

HubError
├── Unauthenticated, TokenExpired                      who you are
├── Forbidden, NotSessionOwner, NotBooked              what you may
├── PaymentRequired, HoldExpired                       what you owe
├── NotFound, MethodNotAllowed                         what there is
├── SessionFull, AlreadyBooked, BookingClosed,
│   InvalidTransition, CapacityBelowSeats, NotActive   what the session allows
├── PreconditionFailed, InvalidInput, InvalidSignature,
│   TooLarge, RateLimited                              what you sent
└── Internal, Unavailable, LeaseLost, Undecided        what we owe you
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input: `pointer` is a JSON pointer (RFC 6901) into it, `detail` a sentence."""

    pointer: str
    detail: str


class HubError(Exception):
    """The request was refused."""

    code: ClassVar[str] = "internal"
    reason: str | None = None
    """Why, for the log alone, where the caller is not to know."""

    def __init__(self, message: str = "", **members: Any) -> None:
        """`members` are what the answer carries beside code and message (`booking`, `errors`, …)."""
        self.message = message or (self.__doc__ or "").strip()
        self.members = members
        super().__init__(self.message)


class Unauthenticated(HubError):
    """A valid token is needed: send `Authorization: Bearer <JWT>`."""

    code = "unauthenticated"


class TokenExpired(HubError):
    """The token has ended: get a new one from your platform and send that."""

    code = "token_expired"


class Forbidden(HubError):
    """Your role does not allow this."""

    code = "forbidden"


class NotSessionOwner(HubError):
    """Only the expert who owns this session may do this."""

    code = "not_session_owner"


class NotBooked(HubError):
    """You hold no seat in this session: book one first."""

    code = "not_booked"


class PaymentRequired(HubError):
    """Your seat is held but not paid: it is yours once the payment is confirmed."""

    code = "payment_required"


class HoldExpired(HubError):
    """The time to pay for this seat ran out, and it was given back: book again."""

    code = "hold_expired"


class NotFound(HubError):
    """There is nothing here by that name."""

    code = "not_found"


class MethodNotAllowed(HubError):
    """This method is not allowed here; the Allow header names those that are."""

    code = "method_not_allowed"


class SessionFull(HubError):
    """Every seat of this session is taken."""

    code = "session_full"


class AlreadyBooked(HubError):
    """You already have a booking for this session."""

    code = "already_booked"


class BookingClosed(HubError):
    """Bookings are taken while a session is scheduled or active; this one is over."""

    code = "booking_closed"


class InvalidTransition(HubError):
    """The session's status does not allow this."""

    code = "invalid_transition"


class CapacityBelowSeats(HubError):
    """The capacity can't fall below the seats already taken."""

    code = "capacity_below_seats"


class NotActive(HubError):
    """The session is not open for joining."""

    code = "not_active"


class PreconditionFailed(HubError):
    """The session was changed since you read it: read it again, then edit."""

    code = "precondition_failed"


class InvalidInput(HubError):
    """The input is not valid."""

    code = "invalid_input"

    @classmethod
    def of(cls, faults: list[Fault]) -> InvalidInput:
        """The refusal that names each of `faults` (one or more)."""
        said = "; ".join(f"{fault.pointer or 'the body'}: {fault.detail}" for fault in faults)
        return cls(f"The input is not valid: {said}.", errors=faults)


class InvalidSignature(HubError):
    """The webhook's signature does not fit its body: sign it as Standard Webhooks says, with the shared secret."""

    code = "invalid_signature"


class TooLarge(HubError):
    """The request is larger than the hub accepts."""

    code = "too_large"


class RateLimited(HubError):
    """Too many requests: wait as long as Retry-After says."""

    code = "rate_limited"

    def __init__(self, message: str = "", *, retry_after: float = 1.0) -> None:
        """`retry_after` in seconds."""
        super().__init__(message)
        self.retry_after = retry_after


class Internal(HubError):
    """Something broke on our side; it was logged, and nothing was changed."""

    code = "internal"


class Unavailable(HubError):
    """The hub can't do this right now: nothing was changed; try again in a moment."""

    code = "unavailable"

    def __init__(self, message: str = "", *, retry_after: float = 2.0) -> None:
        """`retry_after` in seconds."""
        super().__init__(message)
        self.retry_after = retry_after

    def again(self) -> Self:
        """The same for somebody else: an exception that is raised twice gathers tracebacks."""
        other = type(self)(self.message)
        other.reason = self.reason
        return other

    @classmethod
    def because(cls, message: str, cause: BaseException | None) -> Self:
        """With the first line of what a driver said as its reason."""
        refusal = cls(message)
        refusal.reason = str(cause).strip().partition("\n")[0] or None
        return refusal


class LeaseLost(Unavailable):
    """This process has no lease, or was given up by the others: connect again in a moment."""


class Undecided(Unavailable):
    """The database was lost while it answered, so this may have been done: look before you try again."""
