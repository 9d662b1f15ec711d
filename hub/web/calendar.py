"""A session as an iCalendar object (RFC 5545). The icalendar library writes it: lines, escapes and parameters are its.

When a zone's clocks change is found here: the library's own search is an hour late where they go forward (it gives the
new time, where RFC 5545 §3.6.5 wants the old one), and looks through centuries for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard, vDuration, vText

from hub import views
from hub.domain.model import Session, Status

REFRESHED = timedelta(minutes=15)
"""After how long a calendar that subscribed should look again (RFC 7986 §5.7; the other name for it is Outlook's)."""
DAY = timedelta(days=1)
EVENT = b"BEGIN:VEVENT\r\n"


class Text(vText):
    """A text as it is: the library takes `\\N` for a line break, and would tear `C:\\New` apart."""

    def to_ical(self) -> bytes:
        """Escaped (RFC 5545 §3.3.11)."""
        return rb"\\N".join(vText(part).to_ical() for part in self.split(r"\N"))


def entry(session: Session, edited_at: datetime | None, now: datetime) -> bytes:
    """One event with a stable UID, and a SEQUENCE that grows with every edit; never the meeting's address.

    `edited_at` is when the session was last edited, if that is known.
    """
    event = Event()
    event.add("uid", f"session-{session.id}@live-session-hub")
    event.add("sequence", session.version - 1)
    event.add("dtstamp", now)  # with a METHOD, when the object was made (RFC 5545 §3.8.7.2)
    event.add("created", session.created_at)
    if edited_at is not None:
        event.add("last-modified", edited_at)
    starts, ends = _local(session)
    event.add("dtstart", starts)
    event.add("dtend", ends)
    event.add("summary", Text(session.title))
    event.add("description", Text(session.description))
    cancelled = session.status is Status.CANCELLED
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    whole = Calendar()
    whole.add("prodid", "-//Live Session Hub//EN")
    whole.add("version", "2.0")
    whole.add("method", "CANCEL" if cancelled else "PUBLISH")
    whole.add("refresh-interval", REFRESHED, {"VALUE": "DURATION"})
    whole.add("x-published-ttl", vDuration(REFRESHED))
    whole.add_component(event)
    head, begin, rest = bytes(whole.to_ical()).partition(EVENT)
    named = event["dtstart"].params.get("TZID")  # not where the zone is as good as UTC: such times are written with Z
    return head + (time_zone(named, session.starts_at.year) if named else b"") + begin + rest


def _local(session: Session) -> tuple[datetime, datetime]:
    """Start and end in the session's zone; in UTC where a clock that went back shows one of them for the second time.

    A local time that is shown twice means the first one (RFC 5545 §3.3.5).
    """
    zone = views.zone(session.timezone)
    starts, ends = session.starts_at.astimezone(zone), session.ends_at.astimezone(zone)
    return (session.starts_at, session.ends_at) if starts.fold or ends.fold else (starts, ends)


@lru_cache(maxsize=128)
def time_zone(name: str, year: int) -> bytes:
    """The VTIMEZONE of a zone, right for times in `year` and two days around it."""
    zone = views.zone(name)
    whole = Timezone()
    whole.add("tzid", name)
    before: timedelta | None = None
    first, last = datetime(year, 1, 1, tzinfo=UTC) - 2 * DAY, datetime(year + 1, 1, 1, tzinfo=UTC) + 2 * DAY
    for onset in _onsets(zone, first, last):
        local = onset.astimezone(zone)
        after = local.utcoffset() or timedelta()
        observance = TimezoneDaylight() if local.dst() else TimezoneStandard()
        # By the clock as it went until then (RFC 5545 §3.6.5).
        observance.add("dtstart", (onset + (after if before is None else before)).replace(tzinfo=None))
        observance.add("tzoffsetfrom", after if before is None else before)
        observance.add("tzoffsetto", after)
        observance.add("tzname", local.tzname())
        whole.add_component(observance)
        before = after
    return bytes(whole.to_ical())


def _onsets(zone: tzinfo, first: datetime, last: datetime) -> Iterator[datetime]:
    """`first`, and each instant until `last` at which the offset from UTC changes, to the second."""
    yield first
    while first < last:
        low, high = first, first + DAY
        was = low.astimezone(zone).utcoffset()
        if high.astimezone(zone).utcoffset() != was:
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (middle, high) if middle.astimezone(zone).utcoffset() == was else (low, middle)
            yield high
        first += DAY
