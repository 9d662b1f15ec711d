"""What requests may say, typed; every fault of an input is found, and named by its pointer, before anything is done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import EnumType, StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.domain.model import BookingStatus, Price, RosterVisibility, Status
from hub.domain.payments import PaymentType
from hub.errors import Fault, InvalidInput
from hub.text import is_blank, is_control
from hub.web.fields import LINE, HttpsUrl, Instant, Minutes, Name, Password, Seats, Text, TimeZone, Title, time_zones
from hub.wording import told

F = TypeVar("F", bound="Form")

WHOLE = re.compile(r"-?[0-9]{1,18}")
LAST_YEAR = 9000
LARGEST = 2**31 - 1


class Form(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The base of all that is read."""


class PriceForm(Form):
    """An amount in minor units of an ISO 4217 currency; a free session has no price."""

    amount: Annotated[int, Meta(ge=1, le=LARGEST)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]


class CreateSession(Form):
    """A new session."""

    title: Title
    starts_at: Instant
    duration_minutes: Minutes
    description: Text = ""
    timezone: TimeZone = "UTC"
    max_participants: Seats | None = None
    course_id: Name | None = None
    price: PriceForm | None = None
    meeting_url: HttpsUrl | None = None
    meeting_password: Password | None = None
    roster_visibility: RosterVisibility = RosterVisibility.PARTICIPANTS


class EditSession(Form):
    """Any of a session's details; what is left out stays."""

    title: Title | UnsetType = UNSET
    starts_at: Instant | UnsetType = UNSET
    duration_minutes: Minutes | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    timezone: TimeZone | UnsetType = UNSET
    max_participants: Seats | UnsetType | None = UNSET
    course_id: Name | UnsetType | None = UNSET
    price: PriceForm | UnsetType | None = UNSET
    meeting_url: HttpsUrl | UnsetType | None = UNSET
    meeting_password: Password | UnsetType | None = UNSET
    roster_visibility: RosterVisibility | UnsetType = UNSET


class PaymentAbout(Form, forbid_unknown_fields=False):
    """Which money; members the hub does not know are the provider's own."""

    booking_id: Annotated[str, Meta(min_length=1, max_length=64), LINE]
    amount: Annotated[int, Meta(ge=0, le=LARGEST)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    reference: Name


class PaymentMessage(Form, forbid_unknown_fields=False):
    """What a payment provider says."""

    type: PaymentType
    data: PaymentAbout


class PageQuery(Form, forbid_unknown_fields=False):
    """Which page of a list: `page` from 1, `limit` rows each."""

    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=100)] = 10


class BookingsQuery(PageQuery):
    """Which bookings."""

    status: list[BookingStatus] = []


class SessionsQuery(PageQuery):
    """Which sessions, in what order."""

    status: list[Status] = []
    course_id: Name | None = None
    expert_id: Name | None = None
    free: bool | None = None
    available: bool | None = None
    starts_after: Instant | None = None
    starts_before: Instant | None = None
    q: Title | None = None
    sort: Literal["startsAt", "-startsAt", "createdAt", "-createdAt", "-live"] = "startsAt"


def read(form: type[F], value: Any) -> F:
    """The form in a JSON value; raises InvalidInput that names every fault."""
    if not isinstance(value, dict):
        raise InvalidInput.of([Fault("", "must be a JSON object")])
    return _fill(form, value, "")


def read_query(form: type[F], pairs: Mapping[str, list[str]]) -> F:
    """The form in a query string, where lists are repeated names; names it does not know are not its business."""
    value: dict[str, Any] = {}
    faults = []
    for field in _fields(form).values():
        given = pairs.get(field.encode_name)
        if given is None:
            continue
        if isinstance(field.default_factory, type) and field.default_factory is list:
            value[field.encode_name] = given
        elif len(given) > 1:
            faults.append(Fault(f"/{field.encode_name}", "may be given once only"))
        else:
            value[field.encode_name] = QueryText(given[0])
    if faults:
        raise InvalidInput.of(faults)
    return _fill(form, value, "")


class QueryText(str):
    """A value from a query string: text that may stand for a number or a truth value."""


@lru_cache
def _fields(form: type[Form]) -> Mapping[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(form)}


def _fill(form: type[F], value: Mapping[str, Any], pointer: str) -> F:
    fields = _fields(form)
    strict = form.__struct_config__.forbid_unknown_fields
    faults = [
        Fault(f"{pointer}/{_escaped(name)}", f"is not known here; known are: {', '.join(fields)}")
        for name in value
        if strict and name not in fields
    ]
    filled: dict[str, Any] = {}
    for name, field in fields.items():
        where = f"{pointer}/{name}"
        if name not in value:
            if field.required:
                faults.append(Fault(where, "is required"))
            continue
        try:
            filled[field.name] = _check(field.name, _convert(value[name], field.type, where))
        except _Wrong as wrong:
            faults += wrong.at(where)
    if faults:
        raise InvalidInput.of(faults)
    return form(**filled)


def _escaped(name: str) -> str:
    """`name` as a part of a JSON pointer (RFC 6901 §3): it is the caller's, and may hold anything."""
    return name.replace("~", "~0").replace("/", "~1")


class _Wrong(Exception):
    """What is wrong with one member."""

    def __init__(self, detail: str, faults: list[Fault] | None = None) -> None:
        self.detail = detail
        self.faults = faults

    def at(self, pointer: str) -> list[Fault]:
        return self.faults if self.faults is not None else [Fault(pointer, self.detail)]


def _convert(value: Any, kind: Any, pointer: str) -> Any:
    nested = _form_in(kind)
    if nested is not None and isinstance(value, dict):
        try:
            return _fill(nested, value, pointer)
        except InvalidInput as refusal:
            raise _Wrong("", refusal.members["errors"]) from None
    if isinstance(value, QueryText):
        return _convert_text(str(value), kind)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows one kind of number, and no form asks for fractions: 60.0 is 60
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _Wrong(_sentence(error, kind)) from None


def _convert_text(text: str, kind: Any) -> Any:
    try:
        return msgspec.convert(text, kind)
    except msgspec.ValidationError as error:
        if "Expected `int" not in str(error) and "Expected `bool" not in str(error):
            raise _Wrong(_sentence(error, kind)) from None
        if "Expected `int" in str(error) and not WHOLE.fullmatch(text):  # msgspec would take 1e3 and 1.0 too
            raise _Wrong("must be a whole number, in digits") from None
    try:
        return msgspec.convert(text, _said(kind), strict=False)
    except msgspec.ValidationError as error:
        raise _Wrong(_sentence(error, kind)) from None


def _said(kind: Any) -> Any:
    """What of `kind` a query can say: msgspec would take the word `null` for nothing."""
    options = get_args(kind)
    return options[0] if len(options) == 2 and options[1] is type(None) else kind


def _form_in(kind: Any) -> type[Form] | None:
    options = getattr(kind, "__args__", (kind,))
    return next((option for option in options if isinstance(option, type) and issubclass(option, Form)), None)


def _sentence(error: msgspec.ValidationError, kind: Any) -> str:
    detail, place = told(str(error))
    if detail.startswith("invalid enum value"):
        detail = f"must be one of: {', '.join(_choices(kind))}"
    return detail if not place else f"{detail} (at {place})"


def _choices(kind: Any) -> list[str]:
    """The words that an enumeration, or a list of one, takes."""
    if isinstance(kind, EnumType):
        return list(map(str, kind.__members__.values()))
    inner = getattr(kind, "__args__", ())
    return [word for one in inner for word in ([one] if isinstance(one, str) else _choices(one))]


def _check(name: str, value: Any) -> Any:
    check = CHECKS.get(name)
    if value is None or value is UNSET:
        return value
    if isinstance(value, str) and not isinstance(value, StrEnum):
        _check_text(name, value)
    return value if check is None else check(value)


def _check_text(name: str, text: str) -> None:
    allowed = "\n\r\t" if name == "description" else ""
    if any(letter not in allowed and is_control(letter) for letter in text):
        raise _Wrong("must hold no control characters")
    if name != "description" and is_blank(text):
        raise _Wrong("must not be blank")


def _utc(value: datetime) -> datetime:
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise _Wrong(f"must lie between the years 1 and {LAST_YEAR}") from None
    if moment.year >= LAST_YEAR:
        raise _Wrong(f"must lie between the years 1 and {LAST_YEAR}")
    return moment


def _timezone(name: str) -> str:
    if name not in time_zones():
        raise _Wrong("must be an IANA time zone, like `Africa/Nairobi`")
    return name


def _https(url: str) -> str:
    try:
        parts = urlsplit(url)
        plain = url.isprintable() and " " not in url
        fits = plain and parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise _Wrong("must be an https:// address")
    return url


def _price(form: PriceForm) -> Price:
    return Price(form.amount, form.currency)


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "starts_at": _utc,
    "starts_after": _utc,
    "starts_before": _utc,
    "timezone": _timezone,
    "meeting_url": _https,
    "price": _price,
}
"""What types can't say, by field; a check answers the value as it is kept."""
