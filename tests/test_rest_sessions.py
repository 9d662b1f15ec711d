"""One session over REST: created, shown, edited, started, ended and called off, each by those who may."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conforming import ANN, PRICE, ask, got, one_hub, refused, timed
from tests.running import API, EXPERT, OTHER_EXPERT, Running, bearer, draft, now

pytestmark = pytest.mark.asyncio(loop_scope="module")
hub = one_hub()

MEMBERS = {
    "id", "title", "description", "instructor", "expertId", "courseId", "startsAt", "endsAt", "timezone", "date",
    "time", "duration", "durationMinutes", "participants", "maxParticipants", "live", "peakLive", "price", "isFree",
    "status",
    "startedAt", "endedAt", "version", "revision", "canJoin", "isExpert", "isBooked", "canEdit", "canStart", "canEnd",
}  # fmt: skip


def the_25th_next_year() -> datetime:
    """A moment whose local date and time are known."""
    return now().replace(year=now().year + 1, month=8, day=25, hour=12, minute=14, second=0, microsecond=0)


async def test_a_new_session_is_shown_member_by_member(hub: Running) -> None:
    starts = the_25th_next_year()
    response = await ask(
        hub,
        "POST",
        json={
            "title": "Smart Farming Q&A Session",
            "startsAt": starts.isoformat(),
            "durationMinutes": 60,
            "timezone": "Africa/Nairobi",
            "maxParticipants": 50,
        },
    )
    assert response.status_code == 201
    body = response.json()
    assert set(body) == {"success", "data"}
    session = body["data"]
    assert set(session) == MEMBERS
    assert response.headers["location"] == f"{API}/{session['id']}"
    assert response.headers["etag"] == '"1"'
    assert session == {
        "id": session["id"], "title": "Smart Farming Q&A Session", "description": "", "instructor": "Dr. Jane Smith",
        "expertId": "e-7", "courseId": None, "startsAt": f"{starts.year}-08-25T12:14:00Z",
        "endsAt": f"{starts.year}-08-25T13:14:00Z", "timezone": "Africa/Nairobi", "date": f"{starts.year}-08-25",
        "time": "15:14", "duration": "60 minutes", "durationMinutes": 60, "participants": 0, "maxParticipants": 50,
        "live": 0, "peakLive": 0, "price": None, "isFree": True, "status": "scheduled", "startedAt": None,
        "endedAt": None, "version": 1, "revision": 1, "canJoin": True, "isExpert": True, "isBooked": False,
        "canEdit": True, "canStart": True, "canEnd": False,
    }  # fmt: skip
    assert isinstance(session["id"], int)
    assert await got(hub, response.headers["location"].removeprefix(API)) == session | {
        "booking": None,
        "meeting": {"url": None, "password": None},
    }


async def test_a_local_date_may_be_the_day_after_the_one_in_utc(hub: Running) -> None:
    starts = the_25th_next_year().replace(hour=23, minute=30)
    session = await hub.create(startsAt=starts.isoformat(), timezone="Asia/Tokyo", durationMinutes=1)
    assert (session["date"], session["time"], session["duration"]) == (f"{starts.year}-08-26", "08:30", "1 minute")


async def test_instants_come_in_any_zone_and_go_out_in_utc(hub: Running) -> None:
    session = await hub.create(startsAt=f"{now().year + 1}-08-25T15:14:00+03:00")
    assert session["startsAt"] == f"{now().year + 1}-08-25T12:14:00Z"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("title", ""),
        ("title", "   "),
        ("title", "x" * 201),
        ("title", None),
        ("title", 7),
        ("title", "two\nlines"),
        ("title", "\u202eright to left"),
        ("description", "x" * 10_001),
        ("description", "\x00"),
        ("startsAt", "tomorrow"),
        ("startsAt", "2099-01-01T10:00:00"),
        ("startsAt", "2000-01-01T10:00:00Z"),
        ("startsAt", "9999-12-31T23:59:59Z"),
        ("durationMinutes", 0),
        ("durationMinutes", 1441),
        ("durationMinutes", 1.5),
        ("durationMinutes", "60"),
        ("durationMinutes", True),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("maxParticipants", 0),
        ("maxParticipants", -1),
        ("price", 1500),
        ("meetingUrl", "http://meet.example/1"),
        ("meetingUrl", "javascript:alert(1)"),
        ("meetingUrl", "https://"),
        ("rosterVisibility", "everyone"),
        ("status", "active"),
        ("expertId", "e-8"),
    ],
)
async def test_a_wrong_member_is_named_by_its_pointer(hub: Running, member: str, value: Any) -> None:
    body = await refused(hub, 422, "invalid_input", "POST", json=draft(**{member: value}))
    assert [fault["pointer"] for fault in body["errors"]] == [f"/{member}"]
    session = await hub.create()
    body = await refused(hub, 422, "invalid_input", "PATCH", f"/{session['id']}", json={member: value})
    assert [fault["pointer"] for fault in body["errors"]] == [f"/{member}"]
    assert (await got(hub, f"/{session['id']}"))["version"] == 1


async def test_every_fault_is_named_at_once_and_inside_the_price_too(hub: Running) -> None:
    wrong = {"durationMinutes": 0, "price": {"amount": 0, "currency": "shillings", "tip": 1}, "colour": "red"}
    body = await refused(hub, 422, "invalid_input", "POST", json=wrong)
    assert {fault["pointer"] for fault in body["errors"]} == {
        "/title", "/startsAt", "/durationMinutes", "/price/amount", "/price/currency", "/price/tip", "/colour",
    }  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"title": "a", "title": "b"}', b'{"title": NaN}', b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(hub: Running, content: bytes) -> None:
    headers = EXPERT | {"content-type": "application/json"}
    body = await refused(hub, 422, "invalid_input", "POST", headers=headers, content=content)
    assert body["errors"][0]["pointer"] == ""


@pytest.mark.parametrize("title", ["👩\u200d🌾 farmers", "नेट\u200dवर्क", "Prix :\u00a01\u202f500", "質問\u3000会"])
async def test_honest_titles_of_every_script_are_taken(hub: Running, title: str) -> None:
    assert (await hub.create(title=title))["title"] == title


async def test_a_start_may_lie_five_minutes_in_the_past_and_no_more(tmp_path: Path) -> None:
    async with timed(tmp_path) as (hub, clock):
        edge = (clock() - timedelta(minutes=5)).isoformat()
        before = (clock() - timedelta(minutes=5, seconds=1)).isoformat()
        session = await hub.create(startsAt=edge)
        await refused(hub, 422, "invalid_input", "POST", json=draft(startsAt=before))
        path = f"/{session['id']}"
        await refused(hub, 422, "invalid_input", "PATCH", path, json={"startsAt": before})
        clock.go(minutes=10)
        same = await ask(hub, "PATCH", path, json={"startsAt": edge, "title": "Late, but not moved"})
        assert same.status_code == 200


async def test_everything_that_may_be_created_may_be_edited(hub: Running) -> None:
    session = await hub.create()
    changes = {
        "title": "Soil", "description": "Bring samples.\nMany.", "startsAt": f"{now().year + 1}-03-01T10:00:00Z",
        "durationMinutes": 45, "timezone": "Europe/Rome", "maxParticipants": 7, "courseId": "c-1", "price": PRICE,
    }  # fmt: skip
    hidden = {"meetingUrl": "https://meet.example/2", "meetingPassword": "s", "rosterVisibility": "host"}
    response = await ask(hub, "PATCH", f"/{session['id']}", json=changes | hidden)
    edited = response.json()["data"]
    assert {name: edited[name] for name in changes} == changes
    assert (edited["version"], edited["revision"], edited["isFree"]) == (2, 2, False)
    assert response.headers["etag"] == '"2"'
    assert (await got(hub, f"/{session['id']}"))["meeting"] == {"url": "https://meet.example/2", "password": "s"}
    emptied = {"maxParticipants": None, "courseId": None, "price": None, "meetingUrl": None, "meetingPassword": None}
    cleared = (await ask(hub, "PATCH", f"/{session['id']}", json=emptied)).json()["data"]
    assert (cleared["maxParticipants"], cleared["courseId"], cleared["price"]) == (None, None, None)
    assert (await got(hub, f"/{session['id']}"))["meeting"] == {"url": None, "password": None}


async def test_an_edit_that_changes_nothing_is_no_new_version(hub: Running) -> None:
    session = await hub.create()
    for body in ({}, {"title": session["title"]}):
        same = (await ask(hub, "PATCH", f"/{session['id']}", json=body)).json()["data"]
        assert (same["version"], same["revision"]) == (1, 1)


async def test_if_match_lets_only_one_of_two_editors_win(hub: Running) -> None:
    path = f"/{(await hub.create())['id']}"
    etag = (await ask(hub, "GET", path)).headers["etag"]
    await hub.book(int(path[1:]), "ann")
    first = await ask(hub, "PATCH", path, EXPERT | {"If-Match": etag}, json={"title": "First"})
    assert first.status_code == 200
    await refused(hub, 412, "precondition_failed", "PATCH", path, EXPERT | {"If-Match": etag}, json={"title": "Second"})
    assert (await got(hub, path))["title"] == "First"
    for fits in ("*", first.headers["etag"], f'"77", {first.headers["etag"]}'):
        answer = await ask(hub, "PATCH", path, EXPERT | {"If-Match": fits}, json={"title": "First"})
        assert answer.status_code == 200
    for never in (f"W/{first.headers['etag']}", "2", '"two"', '""', ","):
        headers = EXPERT | {"If-Match": never}
        await refused(hub, 412, "precondition_failed", "PATCH", path, headers, json={"title": "Never"})


STEPS = {"start": ("PATCH", "/start"), "end": ("PATCH", "/end"), "cancel": ("DELETE", "")}


@pytest.mark.parametrize(
    ("lived", "status", "allowed"),
    [
        ([], "scheduled", {"start", "cancel"}),
        (["start"], "active", {"end"}),
        (["start", "end"], "ended", set()),
        (["cancel"], "cancelled", set()),
    ],
)
async def test_every_step_that_the_lifecycle_lacks_is_refused(
    hub: Running, lived: list[str], status: str, allowed: set[str]
) -> None:
    for step, (method, path) in STEPS.items():
        session = await hub.create()
        for before in lived:
            reached = await ask(hub, STEPS[before][0], f"/{session['id']}{STEPS[before][1]}")
            assert reached.status_code == 200
        seen = await got(hub, f"/{session['id']}")
        assert (seen["status"], seen["canStart"], seen["canEnd"]) == (status, "start" in allowed, "end" in allowed)
        assert seen["version"] == seen["revision"] == 1 + len(lived)
        if step in allowed:
            assert (await ask(hub, method, f"/{session['id']}{path}")).status_code == 200
        else:
            await refused(hub, 409, "invalid_transition", method, f"/{session['id']}{path}")


async def test_starts_and_ends_are_stamped(tmp_path: Path) -> None:
    async with timed(tmp_path) as (hub, clock):
        path = f"/{(await hub.create())['id']}"
        started = (await ask(hub, "PATCH", f"{path}/start")).json()["data"]
        assert datetime.fromisoformat(started["startedAt"]) == clock()
        assert (started["status"], started["endedAt"], started["canEdit"]) == ("active", None, True)
        clock.go(minutes=50)
        ended = (await ask(hub, "PATCH", f"{path}/end")).json()["data"]
        assert datetime.fromisoformat(ended["endedAt"]) == clock()
        assert (ended["status"], ended["canJoin"], ended["canEdit"]) == ("ended", False, False)


async def test_while_active_only_title_description_and_meeting_can_be_edited(hub: Running) -> None:
    path = f"/{(await hub.create())['id']}"
    await hub.start(int(path[1:]))
    body = {"title": "On air", "description": "now", "meetingUrl": "https://meet.example/3", "meetingPassword": "p"}
    assert (await ask(hub, "PATCH", path, json=body)).status_code == 200
    for change in ({"durationMinutes": 90}, {"maxParticipants": 9}, {"price": PRICE}, {"rosterVisibility": "host"}):
        await refused(hub, 409, "invalid_transition", "PATCH", path, json=change | {"title": "Not half done"})
    assert (await got(hub, path))["title"] == "On air"
    await ask(hub, "PATCH", f"{path}/end")
    await refused(hub, 409, "invalid_transition", "PATCH", path, json={"title": "Too late"})


async def test_each_door_opens_to_those_who_may_alone(hub: Running) -> None:
    path = f"/{(await hub.create())['id']}"
    owned = [("PATCH", path), ("DELETE", path), ("PATCH", f"{path}/start"), ("PATCH", f"{path}/end")]
    owned += [("GET", f"{path}/bookings"), ("GET", f"{path}/attendance"), ("GET", f"{path}/attendance.csv")]
    for method, where in [*owned, ("POST", ""), ("GET", "/expert/my-sessions")]:
        more = {} if method == "GET" else {"json": draft() if method == "POST" else {}}
        await refused(hub, 401, "unauthenticated", method, where, {}, **more)
        await refused(hub, 403, "forbidden", method, where, ANN, **more)
    for method, where in owned:
        await refused(hub, 403, "not_session_owner", method, where, OTHER_EXPERT, json={})
    for method, where in (("POST", f"{path}/book"), ("DELETE", f"{path}/book"), ("GET", "/student/my-bookings")):
        await refused(hub, 401, "unauthenticated", method, where, {})
        await refused(hub, 403, "forbidden", method, where, EXPERT)
    await refused(hub, 401, "unauthenticated", "GET", path, {})
    await refused(hub, 401, "unauthenticated", "GET", f"{path}/participants", {})


async def test_a_token_is_taken_from_the_header_alone_and_while_it_lasts(hub: Running) -> None:
    path = f"/{(await hub.create())['id']}"
    await refused(hub, 401, "token_expired", "GET", path, bearer("ann", ttl=-1))
    good = ANN["Authorization"].removeprefix("Bearer ")
    for wrong in ("", "Bearer", "Bearer x.y.z", f"Basic {good}", f"Bearer {good}x"):
        await refused(hub, 401, "unauthenticated", "GET", path, {"Authorization": wrong})
    await refused(hub, 401, "unauthenticated", "GET", path, {}, params={"token": good, "access_token": good})
    response = await ask(hub, "GET", path, {})
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("name", ["0", "-1", "abc", "1.5", "1e3", "99999999999999999999", "2147483647", "%31%00", "٣"])
async def test_an_id_that_is_none_is_not_found(hub: Running, name: str) -> None:
    for method, rest in (("GET", ""), ("PATCH", ""), ("PATCH", "/start"), ("GET", "/attendance")):
        await refused(hub, 404, "not_found", method, f"/{name}{rest}", json={})
    await refused(hub, 404, "not_found", "POST", f"/{name}/book", ANN)
    await refused(hub, 404, "not_found", "GET", f"/{name}/calendar.ics", {})
    await refused(hub, 404, "not_found", "GET", f"/{name}/events", {})
