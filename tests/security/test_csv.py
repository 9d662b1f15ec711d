"""What other programs take from here: no cell of the CSV is a formula, and no word of a session a line of iCalendar."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from icalendar import Calendar

from hub import views
from hub.domain.model import LeaveReason, Session
from hub.domain.people import Role
from hub.web import exports
from hub.web.calendar import entry, time_zone
from hub.web.exports import attendance_csv, cell
from tests.domain.factories import a_session

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SEPARATORS = (",", ";", "|", "\t")
EVIL = [
    "=cmd|'/c calc'!A1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", '"=1', "'=1", "\uff1d1", "\uff0b1", "\uff0d1",
    "\uff201", "  =1", "\x00=1", "\u00a0=1", "\ufeff=1", "\u200b=1", '" =1', "a;=1", "a,=1", 'a";=1', "a|+1",
    "a\t@1", "a\r\n=1", "'\t=1",
]  # fmt: skip
texts = st.one_of(
    st.text(st.sampled_from("=+-@\t\r\n\"';,| a1\x00\uff1d\uff20\u00a0\u200b\ufe62"), max_size=12),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)


def attendance(*people: tuple[str, str]) -> views.AttendanceView:
    """One visit each."""
    visit = views.VisitView(joined_at=NOW, left_at=NOW, reason=LeaveReason.LEFT)
    lines = [
        views.AttendanceLine(
            id=sub, name=name, role=Role.STUDENT, seconds=1, share=0.5, first_joined_at=NOW, last_left_at=NOW,
            visits=[visit],
        )
        for sub, name in people
    ]  # fmt: skip
    return views.AttendanceView(session_id=1, started_at=NOW, ended_at=NOW, peak_live=1, people=lines)


def begins_a_formula(text: str, separator: str = ",") -> bool:
    """Whether a spreadsheet that is generous to the attacker would compute it: wide and small forms are as narrow."""
    if separator == "," and text[:1] in ("\t", "\r"):
        return True
    seen = [one for one in text if not (one.isspace() or one in "\"'" or unicodedata.category(one) in ("Cc", "Cf"))]
    visible = "".join(seen)
    return not text.startswith("'") and unicodedata.normalize("NFKC", visible[:1]) in ("=", "+", "-", "@")


def cells(content: bytes) -> list[tuple[str, str]]:
    """Every cell of every line, with the separator it was split by."""
    return [
        (separator, one)
        for separator in SEPARATORS
        for row in csv.reader(io.StringIO(content.decode(), newline=""), delimiter=separator)
        for one in row
    ]


@given(texts, texts)
@example("=1", '"=1')
def test_A16_no_cell_of_the_csv_begins_a_formula_whatever_it_is_split_at(sub: str, name: str) -> None:
    content = attendance_csv(attendance((sub, name)))
    assert [one for separator, one in cells(content) if begins_a_formula(one, separator)] == []


@given(texts, texts)
def test_A16_the_csv_comes_back_line_by_line_and_word_by_word(sub: str, name: str) -> None:
    content = attendance_csv(attendance((sub, name), ("plain", "Müller, “Ann”")))
    header, first, second = csv.reader(io.StringIO(content.decode(), newline=""))
    assert header == list(exports.COLUMNS)
    assert second[:2] == ["plain", "Müller, “Ann”"]
    assert {len(header), len(first), len(second)} == {8}
    # Nothing but apostrophes is added.
    assert [one.replace("'", "") for one in first[:2]] == [sub.replace("'", ""), name.replace("'", "")]


@pytest.mark.parametrize("text", EVIL, ids=ascii)
def test_A16_a_known_formula_is_a_text(text: str) -> None:
    shown = cell(text)
    assert shown != text
    assert not any(begins_a_formula(part) for part in re.split(r"[,;|\t\r\n]", shown))


@pytest.mark.parametrize(
    "name", ["Ann", "Jean-Luc", "O'Neil", "Müller, Ann", "ann@example.org", "1+1=2", "a - b", "李 小龙", "a\u200d"]
)  # fmt: skip
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert cell(name) == name


def test_without_its_apostrophes_the_csv_holds_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "FORMULA", re.compile(r"(?!)()"))
    found = [
        text
        for text in EVIL
        if any(begins_a_formula(one, separator) for separator, one in cells(attendance_csv(attendance((text, text)))))
    ]
    assert len(found) > 15


# More than the forms let in: they refuse every control character, but line breaks and tabs in a description.
lines = st.one_of(
    st.text(st.sampled_from('\r\n:;,\\"BEGIN VALARM\t'), max_size=60),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200),
)
PROPERTIES = {
    "BEGIN", "END", "VERSION", "PRODID", "METHOD", "UID", "SEQUENCE", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY",
    "DESCRIPTION", "STATUS", "CREATED", "LAST-MODIFIED", "REFRESH-INTERVAL", "X-PUBLISHED-TTL",
}  # fmt: skip


def calendar(session: Session) -> bytes:
    """Its entry, edited and asked for at NOW."""
    return entry(session, NOW, NOW)


def content_lines(content: bytes) -> list[str]:
    """RFC 5545 §3.1: lines end with CRLF; one that begins with a blank goes on from the line before."""
    assert content.endswith(b"\r\n")
    return content.decode().replace("\r\n ", "").replace("\r\n\t", "").split("\r\n")[:-1]


@given(lines, lines)
@example("x\r\nBEGIN:VALARM", "\r\n ATTACH:https://evil.example\r\n")
@example("x\nEND:VEVENT", "\rEND:VCALENDAR")
def test_A16_nothing_in_a_session_makes_a_line_of_its_calendar_entry(title: str, description: str) -> None:
    content = calendar(a_session(title=title, description=description, timezone="UTC"))
    written = content_lines(content)
    assert [line for line in written if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", line)] == []
    names = [re.split("[:;]", line)[0] for line in written]
    assert len(names) == len(set(names)) + 2  # BEGIN and END twice
    assert set(names) <= PROPERTIES
    assert names.count("BEGIN") == 2


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=80))
def test_a_title_comes_out_of_its_calendar_entry_as_it_went_in(title: str) -> None:
    whole = Calendar.from_ical(calendar(a_session(title=title, description="", timezone="UTC")))
    (event,) = whole.walk("VEVENT")
    assert str(event["summary"]) == title


@pytest.mark.parametrize("timezone", ["UTC", "Etc/UTC", "Africa/Abidjan", "Africa/Nairobi", "Europe/Rome"])
def test_a_time_zone_is_there_where_one_is_named_whatever_the_title_says(timezone: str) -> None:
    for title in ("one", "BEGIN:VEVENT"):
        content = calendar(a_session(title=title, description="BEGIN:VEVENT\r\n", timezone=timezone))
        whole = Calendar.from_ical(content)
        assert whole.get_missing_tzids() == set()
        assert len(whole.walk("VTIMEZONE")) == content.count(b"DTSTART;TZID=")
        assert [one.name for one in whole.subcomponents][-1] == "VEVENT"


def test_the_changes_of_a_time_zone_are_looked_for_once_a_year() -> None:
    time_zone.cache_clear()
    first = calendar(a_session(timezone="Europe/Rome"))
    assert calendar(a_session(timezone="Europe/Rome")) == first
    assert (time_zone.cache_info().misses, time_zone.cache_info().hits) == (1, 1)


def test_a_calendar_entry_made_by_hand_would_take_lines_from_a_title() -> None:
    by_hand = "BEGIN:VCALENDAR\r\nSUMMARY:{}\r\nEND:VCALENDAR\r\n".format("x\r\nATTACH:https://evil.example")
    assert "ATTACH" in [line.partition(":")[0] for line in content_lines(by_hand.encode())]
