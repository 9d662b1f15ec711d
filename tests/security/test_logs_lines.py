"""A line is a line, whatever is told in it (L3, ASVS 16.4.1): it parses, and holds nothing that does not print."""

from __future__ import annotations

import json
import logging
import os
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.logs import JsonLines, TextLines

FORMS: dict[str, logging.Formatter] = {"json": JsonLines(), "text": TextLines()}
ODD = "\r\n\t\x00\x1b\x7f\x85\u2028\u2029\u202e\u2066\ud800\udfff\ufeff\U000e0001=\"'\\ {}"
anything = st.text(st.one_of(st.characters(), st.characters(categories=["Cs"]), st.sampled_from(ODD)))
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(
    lambda name: name not in logging.makeLogRecord({}).__dict__
)
values = st.one_of(anything, st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.lists(anything, max_size=2))

HEAD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 \w+ hub\.test: ")
MEMBER = re.compile(r' (\w+)=("(?:[^"\\]|\\.)*"|\[.*?\](?= \w+=|$)|[^ "\[]+)')
INJECTIONS = [
    "a\r\n2026-01-01T00:00:00.000+00:00 info hub.audit: forged",
    "a\n{\"level\":\"info\"}",
    "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "nul\x00nul",
    "lone \ud800 and \udfff",
    "\u202eturned\u2066 \u200f",
    '" result=ok actor="admin',
    "%s %d %(name)s {0} {message}",
    "\x08\x08\x08hidden",
]  # fmt: skip


def record(message: str, extra: dict[str, Any], error: BaseException | None = None) -> logging.LogRecord:
    """As a logger makes it."""
    about = (type(error), error, error.__traceback__) if error else None
    log = logging.getLogger("hub.test")
    return log.makeRecord(log.name, logging.INFO, "", 0, message, (), about, extra=extra)


def whole(value: Any) -> Any:
    """What a line tells of a value: lone surrogates, which no encoding carries, as their escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return [whole(one) for one in value] if isinstance(value, list) else value


def told_as_json(line: str) -> dict[str, Any]:
    """The members of a line."""
    told: dict[str, Any] = json.loads(line)
    return told


@given(anything, st.dictionaries(names, values, max_size=4))
def test_l3_whatever_is_told_is_one_line_of_json_that_says_just_that(message: str, extra: dict[str, Any]) -> None:
    line = FORMS["json"].format(record(message, extra))
    told = told_as_json(line)

    assert line.isprintable()
    assert line.splitlines() == [line]
    assert told.pop("message") == whole(message)
    assert (told.pop("level"), told.pop("logger")) == ("info", "hub.test")
    assert told.pop("time").endswith("Z")
    assert told.pop("pid") == os.getpid()
    assert told == {name: whole(value) for name, value in extra.items() if value is not None and name in told}
    assert {name for name, value in extra.items() if value is not None} - set(told) <= {
        "time",
        "level",
        "pid",
        "logger",
        "message",
    }


@given(anything, st.dictionaries(names, anything, max_size=4))
def test_l3_whatever_is_told_is_one_line_of_text_whose_members_can_be_told_apart(
    message: str, extra: dict[str, Any]
) -> None:
    line = FORMS["text"].format(record("said", extra))

    assert line.isprintable()
    assert HEAD.match(line)
    assert FORMS["text"].format(record(message, {})).isprintable()
    members = line[HEAD.match(line).end() + len("said") :]  # type: ignore[union-attr]  # asserted above
    read = {name: json.loads(text) if text[0] == '"' else text for name, text in MEMBER.findall(members)}
    assert read == {name: whole(value) for name, value in extra.items()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("injected", INJECTIONS)
def test_l3_nothing_injected_breaks_a_line_or_forges_one(form: str, injected: str) -> None:
    for one in (record(injected, {"actor": injected}), record("%s", {}), record("said", {injected: "x"})):
        one.args = (injected,) if one.msg == "%s" else ()
        line = FORMS[form].format(one)
        assert line.isprintable()
        if form == "json":
            assert isinstance(told_as_json(line), dict)
        else:
            assert HEAD.match(line)


@pytest.mark.parametrize("injected", INJECTIONS)
def test_l3_a_traceback_is_a_member_in_json_and_behind_bars_in_text(injected: str) -> None:
    try:
        raise ValueError(injected)
    except ValueError as error:
        broken = record("it broke", {"action": "test"}, error)

    told = told_as_json(FORMS["json"].format(broken))
    first, *below = FORMS["text"].format(broken).split("\n")

    assert "Traceback" in told["exception"]
    assert f"ValueError: {whole(injected)}" in told["exception"]
    assert first.endswith("it broke action=test")
    assert below
    assert all(row.startswith("  | ") and row.isprintable() for row in below)


def test_l1_members_of_the_hubs_own_loggers_alone_are_told() -> None:
    own = record("gave up", {"action": "given_up"})
    foreign = logging.makeLogRecord({"name": "websockets.server", "msg": "open", "websocket": object()})

    assert told_as_json(FORMS["json"].format(own))["action"] == "given_up"
    assert set(told_as_json(FORMS["json"].format(foreign))) == {"time", "level", "pid", "logger", "message"}


def test_control_the_standard_librarys_own_formatter_is_broken_by_every_injection() -> None:
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    letters = [one for one in INJECTIONS if not one.isprintable()]

    assert len(letters) > 6
    assert not any(plain.format(record(one, {})).isprintable() for one in letters)
