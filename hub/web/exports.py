"""A session as other programs take it: attendance as CSV, the appointment as iCalendar."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hub import views
from hub.domain.model import Session
from hub.protection import ASKED_AGAIN
from hub.web.files import names
from hub.web.http import Answer, Call
from hub.web.rest import Rest

CALENDAR = "text/calendar; charset=utf-8"
COLUMNS = ("id", "name", "role", "seconds", "share", "firstJoinedAt", "lastLeftAt", "visits")
# Programs set to another language split at other separators than the comma, also inside a cell, take the wide forms of
# a Chinese or Japanese keyboard for the narrow ones, and skip what can't be seen.
UNSEEN = r"\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\"'\u2018-\u201f"
BEGINNINGS = r"=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
FORMULA = re.compile(rf"(\A(?=[\t\r\n])|(?:\A|[,;|\t\r\n])(?=[{UNSEEN}]*[{BEGINNINGS}]))")


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
        """One event; never the meeting's address. Whoever has it already and asks again is told just that."""
        seen = await self.rest.read_session(call.session_id)
        # Weak: two of the same version differ in when they were made.
        headers = {"cache-control": ASKED_AGAIN, "etag": f'W/"{seen.session.version}"'}
        if names([call.headers.get("if-none-match", "")], headers["etag"]):
            return Answer(status=304, headers=headers, content=b"", media_type=CALENDAR)
        headers["content-disposition"] = f'attachment; filename="session-{call.session_id}.ics"'
        # Its library takes long to import, the first time: beside the loop, which has others to serve.
        entry = await asyncio.to_thread(_entry)
        content = entry(seen.session, seen.edited_at, self.rest.clock())
        return Answer(content=content, headers=headers, media_type=CALENDAR)


def _entry() -> Callable[[Session, datetime | None, datetime], bytes]:
    from hub.web.calendar import entry

    return entry


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
