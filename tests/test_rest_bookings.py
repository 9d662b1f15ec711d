"""Seats over REST: taken, held, given back, lost with their session, and seen by those who may."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conforming import ANN, BEN, PRICE, ask, got, one_hub, refused, timed
from tests.running import EXPERT, OTHER_EXPERT, Client, Running, bearer, draft

pytestmark = pytest.mark.asyncio(loop_scope="module")
hub = one_hub()

MEMBERS = {"id", "sessionId", "status", "createdAt", "confirmedAt", "cancelledAt", "expiresAt", "price"}
MEETING = {"url": "https://meet.example/1", "password": "s3cret"}
HIDDEN: dict[str, Any] = {"meetingUrl": MEETING["url"], "meetingPassword": MEETING["password"]}


@pytest.mark.parametrize("word", ["book", "join"])
async def test_a_free_seat_is_confirmed_at_once_with_or_without_a_body(hub: Running, word: str) -> None:
    session = await hub.create(maxParticipants=2)
    response = await ask(hub, "POST", f"/{session['id']}/{word}", ANN)
    assert response.status_code == 201
    booking = response.json()["data"]
    assert set(booking) == MEMBERS
    assert isinstance(booking["id"], str)
    assert booking["confirmedAt"] == booking["createdAt"]
    assert booking == booking | {
        "sessionId": session["id"], "status": "confirmed", "cancelledAt": None, "expiresAt": None, "price": None,
    }  # fmt: skip
    with_body = await ask(hub, "POST", f"/{session['id']}/{word}", BEN, content=b"anything {")
    assert with_body.status_code == 201
    seen = await got(hub, f"/{session['id']}", ANN)
    assert (seen["participants"], seen["isBooked"], seen["canJoin"]) == (2, True, True)
    assert seen["booking"] == booking
    assert (seen["version"], seen["revision"]) == (1, 3)


async def test_a_second_booking_is_refused_and_carries_the_first(hub: Running) -> None:
    for price, status in ((None, "confirmed"), (PRICE, "pending")):
        path = f"/{(await hub.create(price=price))['id']}/book"
        first = (await ask(hub, "POST", path, ANN)).json()["data"]
        body = await refused(hub, 409, "already_booked", "POST", path, ANN)
        assert body["booking"] == first
        assert first["status"] == status


async def test_the_last_seat_goes_to_one_and_comes_back_when_it_is_given_back(hub: Running) -> None:
    session = await hub.create(maxParticipants=1)
    path = f"/{session['id']}/book"
    answers = await asyncio.gather(*(ask(hub, "POST", path, bearer(f"racer-{number}")) for number in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    winner = next(number for number, answer in enumerate(answers) if answer.status_code == 201)
    assert (await got(hub, f"/{session['id']}", ANN))["canJoin"] is False
    await refused(hub, 409, "session_full", "POST", path, ANN)
    cancelled = (await ask(hub, "DELETE", path, bearer(f"racer-{winner}"))).json()["data"]
    assert cancelled["status"] == "cancelled"
    assert cancelled["cancelledAt"] is not None
    assert (await ask(hub, "POST", path, ANN)).status_code == 201


async def test_a_seat_is_given_back_once_and_may_be_taken_again(hub: Running) -> None:
    path = f"/{(await hub.create())['id']}/book"
    await refused(hub, 403, "not_booked", "DELETE", path, ANN)
    first = (await ask(hub, "POST", path, ANN)).json()["data"]
    await ask(hub, "DELETE", path, ANN)
    await refused(hub, 403, "not_booked", "DELETE", path, ANN)
    second = (await ask(hub, "POST", path, ANN)).json()["data"]
    assert second["id"] != first["id"]


async def test_bookings_are_taken_while_scheduled_or_active_alone(hub: Running) -> None:
    session_id = (await hub.create())["id"]
    await hub.start(session_id)
    await hub.book(session_id, "ann")
    await ask(hub, "PATCH", f"/{session_id}/end")
    await refused(hub, 409, "booking_closed", "POST", f"/{session_id}/book", BEN)
    await refused(hub, 409, "booking_closed", "DELETE", f"/{session_id}/book", ANN)
    assert (await got(hub, f"/{session_id}", ANN))["booking"]["status"] == "confirmed"
    called_off = (await hub.create())["id"]
    await ask(hub, "DELETE", f"/{called_off}")
    await refused(hub, 409, "booking_closed", "POST", f"/{called_off}/book", BEN)


async def test_a_paid_seat_is_held_and_freed_by_the_clock_with_no_sweep(tmp_path: Path) -> None:
    async with timed(tmp_path, hold_minutes=10) as (hub, clock):
        session_id = (await hub.create(price=PRICE, maxParticipants=1))["id"]
        path = f"/{session_id}"
        held = (await ask(hub, "POST", f"{path}/book", ANN)).json()["data"]
        assert (held["status"], held["price"], held["confirmedAt"]) == ("pending", PRICE, None)
        assert datetime.fromisoformat(held["expiresAt"]) == clock() + timedelta(minutes=10)
        seen = await got(hub, path, ANN)
        assert (seen["participants"], seen["isBooked"], seen["canJoin"]) == (1, True, False)
        await refused(hub, 409, "session_full", "POST", f"{path}/book", BEN)
        assert await got(hub, available="true") == []
        clock.go(minutes=10)
        seen = await got(hub, path, ANN)
        assert (seen["participants"], seen["isBooked"], seen["canJoin"], seen["booking"]) == (0, False, True, None)
        assert [one["participants"] for one in await got(hub, available="true")] == [0]
        (mine,) = await got(hub, "/student/my-bookings", ANN)
        assert (mine["status"], mine["session"]["isBooked"]) == ("expired", False)
        assert [one["status"] for one in await got(hub, f"{path}/bookings")] == ["expired"]
        assert await got(hub, f"{path}/bookings", status="pending") == []
        assert len(await got(hub, f"{path}/bookings", status="expired")) == 1
        await refused(hub, 410, "hold_expired", "DELETE", f"{path}/book", ANN)
        assert hub.hub is not None
        await hub.hub.reaper.sweep(recount=False)
        await refused(hub, 410, "hold_expired", "DELETE", f"{path}/book", ANN)
        await refused(hub, 403, "not_booked", "DELETE", f"{path}/book", BEN)
        assert (await ask(hub, "POST", f"{path}/book", BEN)).status_code == 201
        await refused(hub, 409, "session_full", "POST", f"{path}/book", ANN)


async def test_a_held_seat_can_be_given_back_before_it_is_paid(hub: Running) -> None:
    path = f"/{(await hub.create(price=PRICE, maxParticipants=1))['id']}/book"
    await ask(hub, "POST", path, ANN)
    assert (await ask(hub, "DELETE", path, ANN)).json()["data"]["status"] == "cancelled"
    assert (await ask(hub, "POST", path, BEN)).status_code == 201


async def test_the_capacity_cannot_fall_below_the_seats_that_are_taken(tmp_path: Path) -> None:
    async with timed(tmp_path) as (hub, clock):
        path = f"/{(await hub.create(price=PRICE, maxParticipants=5))['id']}"
        await ask(hub, "POST", f"{path}/book", ANN)
        await ask(hub, "POST", f"{path}/book", BEN)
        await refused(hub, 409, "capacity_below_seats", "PATCH", path, json={"maxParticipants": 1})
        assert (await ask(hub, "PATCH", path, json={"maxParticipants": 2})).json()["data"]["maxParticipants"] == 2
        clock.go(minutes=16)
        assert (await ask(hub, "PATCH", path, json={"maxParticipants": 1})).status_code == 200


async def test_the_bookings_of_a_session_that_is_called_off_follow_it(tmp_path: Path) -> None:
    async with timed(tmp_path) as (hub, clock):
        session_id = (await hub.create(price=PRICE))["id"]
        await ask(hub, "POST", f"/{session_id}/book", ANN)
        clock.go(minutes=16)
        await ask(hub, "POST", f"/{session_id}/book", BEN)
        cancelled = (await ask(hub, "DELETE", f"/{session_id}")).json()["data"]
        assert (cancelled["status"], cancelled["participants"], cancelled["canJoin"]) == ("cancelled", 0, False)
        bookings = await got(hub, f"/{session_id}/bookings")
        assert [one["status"] for one in bookings] == ["expired", "cancelled"]
        assert datetime.fromisoformat(bookings[1]["cancelledAt"]) == clock()
        assert (await got(hub, f"/{session_id}", BEN))["booking"] is None
        assert (await got(hub, "/student/my-bookings", BEN))[0]["session"]["status"] == "cancelled"


async def test_the_expert_sees_who_booked_page_by_page(hub: Running) -> None:
    session_id = (await hub.create())["id"]
    for number in range(3):
        await ask(hub, "POST", f"/{session_id}/book", bearer(f"s-{number}", name=f"Student {number}"))
    await ask(hub, "DELETE", f"/{session_id}/book", bearer("s-1"))
    response = await ask(hub, "GET", f"/{session_id}/bookings", params={"limit": 2})
    body = response.json()
    assert [set(one) for one in body["data"]] == [MEMBERS | {"student"}] * 2
    assert body["data"][0]["student"] == {"id": "s-0", "name": "Student 0"}
    assert body["pagination"] == {"page": 1, "limit": 2, "total": 3, "totalPages": 2}
    only = await got(hub, f"/{session_id}/bookings", status=["cancelled", "expired"])
    assert [one["student"]["id"] for one in only] == ["s-1"]
    await refused(hub, 422, "invalid_input", "GET", f"/{session_id}/bookings", params={"status": "paid"})


async def test_my_bookings_are_mine_newest_first_each_with_its_session(hub: Running) -> None:
    me = bearer("collector")
    sessions = [await hub.create(title=f"Session {number}") for number in range(3)]
    for session in sessions:
        await hub.book(session["id"], "collector")
    body = (await ask(hub, "GET", "/student/my-bookings", me, params={"limit": 2})).json()
    assert [one["session"]["title"] for one in body["data"]] == ["Session 2", "Session 1"]
    assert all(one["session"]["isBooked"] and one["sessionId"] == one["session"]["id"] for one in body["data"])
    assert body["pagination"] == {"page": 1, "limit": 2, "total": 3, "totalPages": 2}
    assert await got(hub, "/student/my-bookings", me, page=3, limit=2) == []
    assert await got(hub, "/student/my-bookings", bearer("nobody")) == []


@pytest.mark.parametrize(
    ("phase", "owner", "seated", "others"),
    [
        ("long before", MEETING, None, None),
        ("doors open", MEETING, MEETING, None),
        ("active", MEETING, MEETING, None),
        ("overdue", MEETING, MEETING, None),
        ("ended", MEETING, None, None),
        ("cancelled", MEETING, None, None),
    ],
)
async def test_the_meeting_is_for_the_owner_and_for_those_with_a_seat_while_doors_are_open(
    tmp_path: Path, phase: str, owner: Any, seated: Any, others: Any
) -> None:
    async with timed(tmp_path, doors_open_minutes=15) as (hub, clock):
        starts = (clock() + timedelta(minutes=20)).isoformat()
        session_id = (await hub.create(startsAt=starts, **HIDDEN))["id"]
        paid = (await hub.create(startsAt=starts, price=PRICE, **HIDDEN))["id"]
        await hub.book(session_id, "ann")
        await hub.book(paid, "ann")
        steps = {"doors open": [], "active": ["start"], "overdue": [], "ended": ["start", "end"], "cancelled": ["off"]}
        clock.go(minutes={"long before": 4.99, "overdue": 50}.get(phase, 5))
        for step in steps.get(phase, []):
            for one in (session_id, paid):
                await ask(hub, *(("DELETE", f"/{one}") if step == "off" else ("PATCH", f"/{one}/{step}")))
        path = f"/{session_id}"
        assert (await got(hub, path, EXPERT))["meeting"] == owner
        assert (await got(hub, path, ANN))["meeting"] == seated
        for stranger in (BEN, OTHER_EXPERT, bearer("e-7", "student")):
            assert (await got(hub, path, stranger))["meeting"] == others
        assert (await got(hub, f"/{paid}", ANN))["meeting"] is None


async def test_the_meeting_is_in_no_other_answer(hub: Running) -> None:
    created = await ask(hub, "POST", json=draft(**HIDDEN))
    path = f"/{created.json()['data']['id']}"
    async with Client.at(hub) as watcher:
        await watcher.ask(type="watch", sessions=[int(path[1:])], catalog=True)
        texts = [
            created.text,
            (await ask(hub, "POST", f"{path}/book", ANN)).text,
            (await ask(hub, "PATCH", path, json={"title": "Edited", "meetingPassword": "s3cret"})).text,
            (await ask(hub, "PATCH", f"{path}/start")).text,
        ]
        texts.append(str([await watcher.expect("session", status="active"), *watcher.heard]))
    for where in ("", "/expert/my-sessions", f"{path}/bookings", f"{path}/attendance", f"{path}/calendar.ics"):
        texts.append((await ask(hub, "GET", where)).text)
    texts.append((await ask(hub, "GET", "/student/my-bookings", ANN)).text)
    texts.append((await ask(hub, "PATCH", f"{path}/end")).text)
    assert [text for text in texts if "meet.example" in text or "s3cret" in text or "assword" in text] == []
