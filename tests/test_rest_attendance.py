"""Who is present, and who was there for how long: as JSON for the page, as CSV for the spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hub.web.exports import cell
from tests.conforming import ANN, BEN, ask, got, one_hub, refused, timed
from tests.running import EXPERT, OTHER_EXPERT, Client, Running, bearer

pytestmark = pytest.mark.asyncio(loop_scope="module")
hub = one_hub(roster_limit=2)


async def test_attendance_is_the_union_of_visits_within_the_session(tmp_path: Path) -> None:
    async with timed(tmp_path) as (hub, clock):
        session_id = (await hub.create())["id"]
        for sub in ("ann", "ben"):
            await hub.book(session_id, sub)
        begun = clock()
        async with Client.at(hub, "ann") as laptop, Client.at(hub, "ann") as phone, Client.at(hub, "ben") as ben:
            await laptop.ask(type="join", session=session_id)
            clock.go(minutes=10)
            await hub.start(session_id)
            clock.go(minutes=10)
            await phone.ask(type="join", session=session_id)
            await ben.ask(type="join", session=session_id)
            assert [one["id"] for one in await got(hub, f"/{session_id}/participants")] == ["ann", "ben"]
            open_now = await got(hub, f"/{session_id}/attendance")
            assert [one["lastLeftAt"] for one in open_now["people"]] == [None, None]
            assert [one["share"] for one in open_now["people"]] == [1.0, 0.0]
            clock.go(minutes=10)
            await laptop.ask(type="leave", session=session_id)
            clock.go(minutes=10)
            ended = (await ask(hub, "PATCH", f"/{session_id}/end")).json()["data"]
            assert (ended["live"], ended["peakLive"]) == (0, 2)
            clock.go(minutes=5)
        report = await got(hub, f"/{session_id}/attendance")
        assert set(report) == {"sessionId", "startedAt", "endedAt", "peakLive", "people"}
        assert (report["sessionId"], report["peakLive"]) == (session_id, 2)
        assert report["endedAt"] == ended["endedAt"]
        ann, ben_ = report["people"]
        assert set(ann) == {"id", "name", "role", "seconds", "share", "firstJoinedAt", "lastLeftAt", "visits"}
        assert (ann["id"], ann["role"], ann["seconds"], ann["share"]) == ("ann", "student", 1800, 1.0)
        assert (ben_["id"], ben_["seconds"], ben_["share"]) == ("ben", 1200, 0.6667)
        assert datetime.fromisoformat(ann["firstJoinedAt"]) == begun
        assert ann["lastLeftAt"] == ben_["lastLeftAt"] == ended["endedAt"]
        assert [one["reason"] for one in ann["visits"]] == ["left", "session_ended"]
        assert datetime.fromisoformat(ann["visits"][0]["leftAt"]) == begun + timedelta(minutes=30)
        assert all(set(visit) == {"joinedAt", "leftAt", "reason"} for visit in ann["visits"])


async def test_attendance_of_a_session_that_nobody_came_to_is_empty(hub: Running) -> None:
    session_id = (await hub.create())["id"]
    assert await got(hub, f"/{session_id}/attendance") == {
        "sessionId": session_id, "startedAt": None, "endedAt": None, "peakLive": 0, "people": [],
    }  # fmt: skip
    text = (await ask(hub, "GET", f"/{session_id}/attendance.csv")).text
    assert text == "id,name,role,seconds,share,firstJoinedAt,lastLeftAt,visits\r\n"


async def test_the_csv_has_a_line_a_person_and_no_formula(hub: Running) -> None:
    session_id = (await hub.create())["id"]
    names = {
        "=cmd": '=HYPERLINK("https://evil.example")', "+1": "+41 44 000 00 00", "-1": "-Ben", "@a": "@SUM(A1)",
        "plain": 'Comma, "Quote" Müller',
    }  # fmt: skip
    for sub, name in names.items():
        await ask(hub, "POST", f"/{session_id}/book", bearer(sub, name=name))
        async with Client.at(hub, sub) as person:
            # `auth` with a name of its own: the roster shows what the token says.
            await person.ask(type="auth", token=bearer(sub, name=name)["Authorization"].removeprefix("Bearer "))
            await person.ask(type="join", session=session_id)
            await person.ask(type="leave", session=session_id)
    response = await ask(hub, "GET", f"/{session_id}/attendance.csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == f'attachment; filename="attendance-{session_id}.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text)))
    wanted = {
        sub if sub == "plain" else f"'{sub}": name if sub == "plain" else f"'{name}" for sub, name in names.items()
    }
    assert {row["id"]: row["name"] for row in rows} == wanted
    assert {row["role"] for row in rows} == {"student"}
    assert {row["visits"] for row in rows} == {"1"}
    assert all(datetime.fromisoformat(row["firstJoinedAt"]).tzinfo is not None for row in rows)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
async def test_no_cell_begins_like_a_formula(start: str) -> None:
    assert cell(f"{start}1+1") == f"'{start}1+1"
    assert cell(f"1{start}1") == f"1{start}1"
    assert cell("") == ""


async def test_the_roster_is_for_the_host_and_for_those_who_are_present(hub: Running) -> None:
    session_id = (await hub.create())["id"]
    path = f"/{session_id}/participants"
    assert await got(hub, path, EXPERT) == []
    for sub in ("ann", "ben", "cho"):
        await hub.book(session_id, sub)
    async with Client.at(hub, "ann") as ann, Client.at(hub, "ben") as ben, Client.at(hub, "cho") as cho:
        await ann.ask(type="join", session=session_id)
        (line,) = await got(hub, path, ANN)
        assert set(line) == {"id", "name", "role", "joinedAt"}
        assert (line["id"], line["name"], line["role"]) == ("ann", "Ann", "student")
        await refused(hub, 403, "forbidden", "GET", path, BEN)
        await refused(hub, 403, "forbidden", "GET", path, OTHER_EXPERT)
        await ben.ask(type="join", session=session_id)
        page = (await ask(hub, "GET", path, BEN, params={"limit": 1, "page": 2})).json()
        assert [one["id"] for one in page["data"]] == ["ben"]
        assert page["pagination"] == {"page": 2, "limit": 1, "total": 2, "totalPages": 2}
        await cho.ask(type="join", session=session_id)
        body = await refused(hub, 403, "forbidden", "GET", path, ANN)
        assert "2 people or fewer" in body["detail"]
        assert len(await got(hub, path, EXPERT)) == 3


async def test_a_roster_for_the_host_is_for_nobody_else(hub: Running) -> None:
    session_id = (await hub.create(rosterVisibility="host"))["id"]
    await hub.book(session_id, "ann")
    async with Client.at(hub, "ann") as ann:
        await ann.ask(type="join", session=session_id)
        await refused(hub, 403, "forbidden", "GET", f"/{session_id}/participants", ANN)
        assert [one["id"] for one in await got(hub, f"/{session_id}/participants")] == ["ann"]
