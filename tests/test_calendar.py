"""The iCalendar entry, read back by the library and, of its time zone, by the letter of RFC 5545."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard

from hub.domain.model import Session, Status
from hub.web import calendar
from hub.web.calendar import entry, time_zone
from hub.web.fields import time_zones
from tests.domain.factories import NOW, a_session

HOUR = timedelta(hours=1)
EDITED = NOW + HOUR
ASKED = NOW + 2 * HOUR
ODD = (
    "Europe/Rome", "America/New_York", "Europe/Dublin", "Africa/Casablanca", "Africa/Cairo", "Australia/Lord_Howe",
    "Antarctica/Troll", "America/Nuuk", "Pacific/Chatham", "Asia/Gaza",
)  # fmt: skip
"""Zones whose clocks change, some by half an hour or two hours, or backwards in summer."""


def read(content: bytes) -> tuple[Calendar, Event]:
    """The library's reading: the whole, and its one event."""
    whole = Calendar.from_ical(content)
    (event,) = whole.walk("VEVENT")
    assert isinstance(event, Event)
    return whole, event


def lines(content: bytes) -> Iterator[tuple[str, str]]:
    """Each line's name with its parameters, and its value."""
    for line in content.decode().replace("\r\n ", "").split("\r\n")[:-1]:
        name, _, value = line.partition(":")
        yield name, value


Observance = tuple[datetime, timedelta, timedelta]
"""From which local time on, the offset before, and the one after."""


def observances(content: bytes) -> list[Observance]:
    """Those of the one VTIMEZONE, in their order in time."""
    found: list[Observance] = []
    for one in Calendar.from_ical(content).walk():
        if isinstance(one, TimezoneStandard | TimezoneDaylight):
            found.append((one.DTSTART, one.TZOFFSETFROM, one.TZOFFSETTO))
    return sorted(found, key=lambda one: one[0] - one[1])


def instant(content: bytes, name: str) -> datetime:
    """What `DTSTART` or `DTEND` says by the entry's own VTIMEZONE, whatever else is known of the zone."""
    ((_, value),) = [line for line in lines(content.partition(b"BEGIN:VEVENT")[2]) if line[0].split(";")[0] == name]
    if value.endswith("Z"):
        return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    local = datetime.strptime(value, "%Y%m%dT%H%M%S")  # noqa: DTZ007  # a local time it is
    offset = [after for begins, _, after in observances(content) if begins <= local][-1]
    return (local - offset).replace(tzinfo=UTC)


@cache
def changes(zone: str, year: int = 2027) -> tuple[datetime, ...]:
    """The instants at which the offset of a zone changes, found hour by hour."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + n * HOUR / 2 for n in range(2 * 24 * 365)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return tuple(hour for n, hour in enumerate(hours[1:], 1) if offsets[n] != offsets[n - 1])


def near_a_change(zone: str) -> st.SearchStrategy[tuple[str, datetime]]:
    """Times within three hours of one."""
    minutes = st.integers(-180, 180)
    return st.builds(lambda at, n: (zone, at + timedelta(minutes=n)), st.sampled_from(changes(zone)), minutes)


anywhere = st.tuples(
    st.sampled_from(sorted(time_zones())),
    st.datetimes(datetime(2025, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
)
places = st.one_of(anywhere, st.sampled_from(ODD).flatmap(near_a_change))


def at(zone: str, starts: datetime, minutes: int = 60) -> Session:
    """A session there and then."""
    return a_session(timezone=zone, starts_at=starts.replace(microsecond=0), duration_minutes=minutes)


@given(places, st.integers(1, 1440))
@example(("Europe/Rome", datetime(2027, 3, 28, 1, 30, tzinfo=UTC)), 60)
@example(("Europe/Rome", datetime(2027, 10, 31, 0, 30, tzinfo=UTC)), 60)
@example(("Asia/Kolkata", datetime(2027, 12, 31, 23, 30, tzinfo=UTC)), 1440)
def test_start_and_end_come_back_in_every_zone_also_when_clocks_change(
    place: tuple[str, datetime], minutes: int
) -> None:
    session = at(*place, minutes)
    content = entry(session, EDITED, ASKED)
    _, event = read(content)
    for name, said, told in (("DTSTART", event.start, session.starts_at), ("DTEND", event.end, session.ends_at)):
        assert isinstance(said, datetime)
        assert said.astimezone(UTC) == told
        assert instant(content, name) == told


def test_every_zone_that_the_hub_takes_is_known_to_it_and_has_a_name_in_the_entry() -> None:
    assert len(time_zones()) > 500
    for zone in sorted(time_zones()):
        content = entry(at(zone, datetime(2027, 7, 1, 12, tzinfo=UTC)), EDITED, ASKED)
        (said,) = [line for line in lines(content.partition(b"BEGIN:VEVENT")[2]) if line[0].startswith("DTSTART")]
        assert said[1].endswith("Z") or said[0] == f"DTSTART;TZID={zone}"


def onsets(time_zone: bytes) -> tuple[datetime, ...]:
    """When the offset changes, as a VTIMEZONE says it (RFC 5545 §3.6.5): by the clock as it went until then."""
    found = observances(b"BEGIN:VCALENDAR\r\n" + time_zone + b"END:VCALENDAR\r\n")
    return tuple((begins - before).replace(tzinfo=UTC) for begins, before, after in found if before != after)


@pytest.mark.parametrize("zone", ["Africa/Nairobi", "Asia/Kolkata", *ODD])
def test_a_time_zone_says_each_change_by_the_clock_as_it_went_before_it(zone: str) -> None:
    assert onsets(time_zone(zone, 2027)) == changes(zone)


def test_control_the_library_s_own_time_zone_has_the_clock_go_forward_an_hour_late() -> None:
    whole = Timezone.from_tzid("Europe/Rome", first_date=date(2027, 1, 1), last_date=date(2028, 1, 1))
    spring, autumn = changes("Europe/Rome")
    assert onsets(bytes(whole.to_ical())) == (spring + HOUR, autumn)


def test_control_a_time_that_is_shown_twice_needs_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    second = at("Europe/Rome", datetime(2027, 10, 31, 1, 30, tzinfo=UTC))
    assert b"DTSTART:20271031T013000Z" in entry(second, EDITED, ASKED)
    zone = ZoneInfo("Europe/Rome")
    local = second.starts_at.astimezone(zone), second.ends_at.astimezone(zone)
    monkeypatch.setattr(calendar, "_local", lambda session: local)
    assert instant(entry(second, EDITED, ASKED), "DTSTART") == second.starts_at - HOUR


texts = st.one_of(
    st.text(st.sampled_from("\\;,:\"nN\tBEGIN=^'"), max_size=100),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=200),
    st.text(st.sampled_from("日本語\U0001f469\u200d\U0001f33e e\u0301"), max_size=200),
)


@given(texts, texts)
@example(r"C:\New \\N \\\N", "\r\n".join(["\\N"] * 3).replace("\r", ""))
@example("a" * 74 + "é", "\U0001f469\u200d\U0001f33e" * 40)
def test_texts_come_back_and_no_line_is_longer_than_75_octets(title: str, description: str) -> None:
    content = entry(a_session(title=title, description=description), EDITED, ASKED)
    for line in content.split(b"\r\n"):
        assert len(line) <= 75
        line.decode()  # no letter is torn apart
    _, event = read(content)
    assert (str(event["summary"]), str(event["description"])) == (title, description)


def test_line_breaks_of_a_description_are_kept_whichever_they_are() -> None:
    _, event = read(entry(a_session(description="one\r\ntwo\nthree"), EDITED, ASKED))
    assert str(event["description"]) == "one\ntwo\nthree"


def test_it_says_when_it_was_made_and_when_the_session_was_edited_and_is_the_same_appointment_ever_after() -> None:
    _, first = read(entry(a_session(), EDITED, ASKED))
    assert (first.stamp, first.last_modified) == (ASKED, EDITED)
    assert first.get("created").dt == a_session().created_at
    whole, last = read(entry(a_session(version=7, title="Moved"), EDITED + HOUR, ASKED + HOUR))
    assert (first["uid"], first["sequence"]) == (last["uid"], 0)
    assert (last["sequence"], last["status"], whole["method"]) == (6, "CONFIRMED", "PUBLISH")
    assert (last.stamp, last.last_modified) == (ASKED + HOUR, EDITED + HOUR)
    assert read(entry(a_session(id=2), EDITED, ASKED))[1]["uid"] != first["uid"]


def test_an_edit_whose_time_is_not_known_is_not_made_up() -> None:
    assert b"LAST-MODIFIED" not in entry(a_session(), None, ASKED)


@pytest.mark.parametrize("status", list(Status))
def test_a_cancelled_session_takes_its_appointment_back_and_no_other_does(status: Status) -> None:
    whole, event = read(entry(a_session(status=status), EDITED, ASKED))
    called_off = (whole["method"], event["status"]) == ("CANCEL", "CANCELLED")
    assert called_off is (status is Status.CANCELLED)
    assert called_off or (whole["method"], event["status"]) == ("PUBLISH", "CONFIRMED")


def test_who_subscribes_looks_again_every_quarter_of_an_hour() -> None:
    found = dict(lines(entry(a_session(), EDITED, ASKED)))
    assert found["REFRESH-INTERVAL;VALUE=DURATION"] == found["X-PUBLISHED-TTL"] == "PT15M"


def test_nothing_of_the_meeting_is_in_it() -> None:
    content = entry(a_session(), EDITED, ASKED)
    assert b"meet.example" in str(a_session()).encode()  # control
    assert b"meet.example" not in content
    assert b"sealed" not in content
