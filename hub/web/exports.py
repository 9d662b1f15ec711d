"""A session as other programs take it: attendance as CSV, the appointment as iCalendar."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from functools import lru_cache

from icalendar import Calendar, Event, Timezone

from hub import views
from hub.domain.model import Session, Status
from hub.web.http import Answer, Call
from hub.web.rest import Rest

COLUMNS = ("id", "name", "role", "seconds", "share", "firstJoinedAt", "lastLeftAt", "visits")
# Programs set to another language split at other separators than the comma, also inside a cell, take the wide forms of
# a Chinese or Japanese keyboard for the narrow ones, and skip what can't be seen.
UNSEEN = r"\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\"'\u2018-\u201f"
BEGINNINGS = r"=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
FORMULA = re.compile(rf"(\A(?=[\t\r\n])|(?:\A|[,;|\t\r\n])(?=[{UNSEEN}]*[{BEGINNINGS}]))")
EVENT = b"BEGIN:VEVENT\r\n"
STATUSES = {Status.CANCELLED: "CANCELLED"}


@dataclass(frozen=True, slots=True)
class Exports:
    """The handlers; who may have what is as in `Rest`."""

    rest: Rest

    async def attendance_csv(self, call: Call) -> Answer:
        """A line a person."""
        attendance = await self.rest.read_attendance(call)
        headers = {"content-disposition": f'attachment; filename="attendance-{attendance.session_id}.csv"'}
        return Answer(content=attendance_csv(attendance), media_type="text/csv; charset=utf-8", headers=headers)

    async def calendar(self, call: Call) -> Answer:
        """One event; never the meeting's address."""
        seen = await self.rest.read_session(call.session_id)
        headers = {"content-disposition": f'attachment; filename="session-{call.session_id}.ics"'}
        return Answer(content=calendar(seen.session), media_type="text/calendar; charset=utf-8", headers=headers)


def attendance_csv(attendance: views.AttendanceView) -> bytes:
    """RFC 4180, UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in attendance.people:
        left = "" if line.last_left_at is None else views.instant(line.last_left_at)
        joined = views.instant(line.first_joined_at)
        visits = len(line.visits) or ""  # nobody is here without one: they are no longer kept, nor is their number
        writer.writerow(
            (cell(line.id), cell(line.name), line.role.value, line.seconds, line.share, joined, left, visits)
        )
    return text.getvalue().encode()


def cell(text: str) -> str:
    """`text` such that no spreadsheet takes it, or a part that it splits off, for a formula (ASVS 1.2.10).

    An apostrophe goes before whatever would begin one, however many blanks and quotes are between.
    """
    return FORMULA.sub(r"\1'", text)


def calendar(session: Session) -> bytes:
    """RFC 5545: a stable UID, and a SEQUENCE that grows with every edit."""
    event = Event()
    event.add("uid", f"session-{session.id}@live-session-hub")
    event.add("sequence", session.version - 1)
    event.add("dtstamp", session.created_at)
    event.add("dtstart", session.starts_at.astimezone(views.zone(session.timezone)))
    event.add("dtend", session.ends_at.astimezone(views.zone(session.timezone)))
    event.add("summary", session.title)
    event.add("description", session.description)
    event.add("status", STATUSES.get(session.status, "CONFIRMED"))
    whole = Calendar()
    whole.add("prodid", "-//Live Session Hub//EN")
    whole.add("version", "2.0")
    whole.add("method", "CANCEL" if session.status is Status.CANCELLED else "PUBLISH")
    whole.add_component(event)
    head, begin, rest = bytes(whole.to_ical()).partition(EVENT)
    named = event["dtstart"].params.get("TZID")  # not where the zone is as good as UTC: such times are written with Z
    return head + (_time_zone(named) if named else b"") + begin + rest


@lru_cache(maxsize=128)
def _time_zone(name: str) -> bytes:
    """Its VTIMEZONE. Kept, since to find all of a zone's changes takes up to 20 ms, and anyone may ask."""
    return bytes(Timezone.from_tzid(name).to_ical())
