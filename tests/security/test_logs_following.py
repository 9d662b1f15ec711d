"""One request can be followed: from the name that the edge gave it, by its own line, to what the ledger did with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import bookkeeping
from hub.bookkeeping import TELL_SECONDS, Notes
from hub.errand import Errand
from tests.running import API, Client, Running, bearer
from tests.security.audited import Told, listening
from tests.tables import change, rows


@pytest.fixture
def told() -> Iterator[Told]:
    """What all of the hub's loggers say meanwhile."""
    with listening("hub") as heard:
        yield heard


def ledger(told: Told) -> list[dict[str, Any]]:
    """The ledger's lines."""
    return [line for line in told.lines if line["logger"] == "hub.ledger"]


async def booked(hub: Running, session: int, sub: str, given: str) -> Any:
    """A booking with a name from the edge."""
    async with hub.http(**bearer(sub)) as http:
        return await http.post(f"{API}/{session}/book", headers={"X-Request-ID": given})


async def test_a_change_is_followed_from_the_edge_to_its_revision_and_its_group(
    alone: Running, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookkeeping, "SLOW_SECONDS", 0.0)  # so that every group is told
    session = (await alone.create())["id"]
    answer = await booked(alone, session, "s-1", "edge-1")
    line = told.of("request", given="edge-1")[0]
    stored = rows(alone.where, "SELECT revision FROM live_sessions WHERE id = ?", session)

    assert line["request"] == answer.headers["x-request-id"]
    assert (line["session"], line["revision"]) == (session, *stored[0])
    (group,) = [one for one in ledger(told) if one["group"] == line["group"]]
    assert (group["message"], group["requests"], group["given"]) == ("a group took long", [line["request"]], ["edge-1"])
    assert (group["calls"], group["sessions"]) == (1, [session])


async def test_a_refused_change_has_its_group_and_no_revision(alone: Running, told: Told) -> None:
    session = (await alone.create(maxParticipants=1))["id"]
    await booked(alone, session, "s-1", "first")
    await booked(alone, session, "s-2", "second")
    (line,) = told.of("request", given="second")
    assert (line["result"], line["session"], len(line["group"])) == ("session_full", session, 32)
    assert ledger(told) == []  # nothing was slow, and nothing failed


async def test_a_join_over_a_socket_is_followed_by_its_connection(
    alone: Running, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookkeeping, "SLOW_SECONDS", 0.0)
    session = (await alone.create())["id"]
    await alone.book(session, "s-1")
    async with Client.at(alone, "s-1") as client:
        assert (await client.ask(type="join", session=session))["type"] == "ok"
        line = await told.one("join")
        (group,) = [one for one in ledger(told) if one["group"] == line["group"]]
        assert group["requests"] == [line["connection"]]
        assert line["revision"] == rows(alone.where, "SELECT revision FROM live_sessions")[0][0]


async def test_an_outage_is_told_by_its_first_group_and_its_end_and_each_refusal_says_why(
    alone: Running, told: Told
) -> None:
    session = (await alone.create())["id"]
    change(alone.where, "ALTER TABLE live_sessions RENAME TO elsewhere")
    answers = [await booked(alone, session, f"s-{number}", f"edge-{number}") for number in range(3)]
    change(alone.where, "ALTER TABLE elsewhere RENAME TO live_sessions")
    await booked(alone, session, "s-9", "edge-9")

    assert {answer.status_code for answer in answers} == {503}
    assert not any("no such table" in answer.text for answer in answers)
    refusals = told.of("request", result="unavailable")
    assert {line["reason"] for line in refusals} == {"no such table: live_sessions"}
    first, over = ledger(told)
    assert (first["message"], first["level"], first["reason"]) == (
        "a group was not stored", "error", "no such table: live_sessions"
    )  # fmt: skip
    assert (first["requests"], first["given"]) == ([refusals[0]["request"]], ["edge-0"])
    assert first["group"] == refusals[0]["group"] != refusals[1]["group"]
    assert (over["message"], over["refused"]) == ("changes are stored again", 3)
    assert [line["message"] for line in told.lines if line["logger"] == "hub.store"] == [
        "the database refused: no such table: live_sessions"
    ]


class Asked:
    """A change that somebody asked for."""

    def __init__(self, number: int) -> None:
        self.session_id = number
        self.errand = Errand(f"r-{number}")


def test_groups_that_fail_one_after_the_other_are_told_every_ten_seconds(tmp_path: Path) -> None:
    at = [0.0]
    notes = Notes(lambda: at[0])
    with listening("hub.ledger") as told:
        for second in range(25):
            at[0] = float(second)
            notes.failed(f"g-{second}", [Asked(second)], "disk full")
        notes.committed("g-25", [Asked(25)], [True], {25: 7}, 0.1)
        notes.committed("g-26", [Asked(25)], [True], {25: 8}, 0.1)
    assert [(line["message"], line["refused"]) for line in told.lines] == [
        ("a group was not stored", 1),
        ("a group was not stored", 1 + TELL_SECONDS),
        ("a group was not stored", 1 + 2 * TELL_SECONDS),
        ("changes are stored again", 25),
    ]


def test_who_is_refused_has_not_the_revision_that_another_change_of_the_group_stored() -> None:
    taken, full = Asked(12), Asked(12)
    Notes().committed("g", [taken, full], [True, False], {12: 7}, 0.1)
    assert [(one.errand.revision, one.errand.group) for one in (taken, full)] == [(7, "g"), (None, "g")]


def test_a_line_names_twenty_of_those_who_waited_at_most() -> None:
    with listening("hub.ledger") as told:
        Notes().committed("g", [Asked(number) for number in range(400)], [True] * 400, {}, 1.5)
    (line,) = told.lines
    assert (line["calls"], len(line["requests"]), len(line["sessions"]), line["ms"]) == (400, 20, 20, 1500)
    assert line["level"] == logging.getLevelName(logging.WARNING).lower()
