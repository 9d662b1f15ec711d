"""What watchers and participants of a session are told, and in what order."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.running import PATIENCE, Client, Running, bearer, now, running
from tests.sockets import drop, gather_heard, inside
from tests.stored import visits

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATE = set(
    "type session revision status live peakLive participants maxParticipants startsAt startedAt endedAt".split()
)
OWN = {"canJoin", "isExpert", "isBooked", "canEdit", "canStart", "canEnd", "booking", "meeting"}
UNKNOWN = 2**31 - 1


async def watched(client: Client, session_id: int) -> dict[str, Any]:
    """Watch one session; its snapshot."""
    await client.ask(type="watch", sessions=[session_id])
    return await client.expect("session", session=session_id)


async def test_watch_answers_ok_then_one_snapshot_for_each_known_session(shared: Running) -> None:
    one, two = await shared.create(maxParticipants=3), await shared.create()
    async with Client.at(shared) as client:
        await client.send({"type": "watch", "id": "w", "sessions": [one["id"], UNKNOWN, two["id"], one["id"]]})
        heard = await gather_heard(client)
        assert heard[0] == {"type": "ok", "id": "w", "missing": [UNKNOWN]}
        assert [message["session"] for message in heard[1:]] == [one["id"], two["id"]]
        snapshot = heard[1]
        assert snapshot.keys() == STATE
        for member in ("revision", "status", "live", "peakLive", "participants", "maxParticipants", "startsAt"):
            assert snapshot[member] == one[member]


async def test_watching_nothing_and_unknown_sessions_is_no_error(shared: Running) -> None:
    async with Client.at(shared) as client:
        assert (await client.ask(type="watch", sessions=[]))["missing"] == []
        assert (await client.ask(type="watch", sessions=[UNKNOWN, UNKNOWN - 1]))["missing"] == [UNKNOWN, UNKNOWN - 1]
        assert (await client.ask(type="unwatch", sessions=[UNKNOWN]))["type"] == "ok"


async def test_what_is_watched_again_is_told_again(shared: Running) -> None:
    session = await shared.create()
    async with Client.at(shared) as client:
        assert await watched(client, session["id"]) == await watched(client, session["id"])


async def test_after_unwatch_nothing_more_is_told(shared: Running) -> None:
    session = await shared.create()
    async with Client.at(shared) as client, Client.at(shared) as witness:
        await watched(client, session["id"])
        await watched(witness, session["id"])
        assert (await client.ask(type="unwatch", id="u", sessions=[session["id"]])) == {"type": "ok", "id": "u"}
        await shared.start(session["id"])
        await witness.expect("session", status="active")
        assert await gather_heard(client) == []


async def test_every_bookings_seats_are_told_in_growing_revisions(shared: Running) -> None:
    session = await shared.create(maxParticipants=5)
    async with Client.at(shared) as client:
        before = await watched(client, session["id"])
        await shared.book(session["id"], "ann")
        after = await client.expect("session", participants=1)
        assert after["revision"] == before["revision"] + 1
        await shared.call("DELETE", f"/{session['id']}/book", bearer("ann"))
        assert (await client.expect("session", participants=0))["revision"] == after["revision"] + 1


async def test_a_start_by_the_expert_reaches_every_watcher_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, count_interval_ms=60_000) as hub:
        session = await hub.create()
        await hub.book(session["id"], "ann")
        async with Client.at(hub) as first, Client.at(hub, "ann") as second, Client.at(hub, "e-7", "expert") as host:
            for client in (first, host):
                await watched(client, session["id"])
            await inside(second, session["id"])
            await first.expect("session", live=1)  # the first count is told at once, the next would wait a minute
            await hub.start(session["id"])
            for client in (first, second, host):
                told = await client.expect("session", status="active")
                assert told["startedAt"] is not None
                assert told["live"] == 1
            assert (await hub.call("PATCH", f"/{session['id']}/end")).status_code == 200
            for client in (first, second, host):
                assert (await client.expect("session", status="ended"))["live"] == 0


async def test_a_burst_of_joins_is_told_in_few_frames(tmp_path: Path) -> None:
    people = [f"p{number}" for number in range(30)]
    async with running(tmp_path, count_interval_ms=300) as hub:
        session = await hub.create()
        for person in people:
            await hub.book(session["id"], person)
        async with Client.at(hub) as watcher, asyncio.TaskGroup() as crowd:
            await watched(watcher, session["id"])
            done = asyncio.Event()

            async def be_there(person: str) -> None:
                async with Client.at(hub, person) as client:
                    await inside(client, session["id"])
                    async with asyncio.timeout(PATIENCE):
                        await done.wait()

            guests = [crowd.create_task(be_there(person)) for person in people]
            last = await watcher.expect("session", live=len(people))
            told = [message for message in watcher.heard if message["type"] == "session"]
            assert len(told) <= 8
            revisions = [message["revision"] for message in (*told, last)]
            assert revisions == sorted(set(revisions))
            done.set()
            assert len(guests) == len(people)


async def test_the_catalog_tells_of_every_create_edit_start_end_and_cancel(shared: Running) -> None:
    async with Client.at(shared) as client:
        assert (await client.ask(type="watch", catalog=True)) == {"type": "ok", "id": 1, "missing": []}
        session = await shared.create(meetingUrl="https://meet.example/1", meetingPassword="s3cret")
        shown = (await client.expect("catalog"))["session"]
        assert shown.keys() == session.keys() - OWN
        assert shown == {name: session[name] for name in shown}
        assert "meet.example" not in json.dumps(shown)
        await shared.call("PATCH", f"/{session['id']}", json={"title": "Another title"})
        assert (await client.expect("catalog"))["session"]["title"] == "Another title"
        await shared.start(session["id"])
        assert (await client.expect("catalog"))["session"]["status"] == "active"
        await shared.book(session["id"], "ann")
        await shared.call("PATCH", f"/{session['id']}/end")
        assert (await client.expect("catalog"))["session"]["status"] == "ended"
        other = await shared.create()
        assert (await client.expect("catalog"))["session"]["id"] == other["id"]
        await shared.call("DELETE", f"/{other['id']}")
        assert (await client.expect("catalog"))["session"]["status"] == "cancelled"
        assert (await client.ask(type="unwatch", catalog=True))["type"] == "ok"
        await shared.create()
        assert await gather_heard(client) == []


async def test_join_answers_ok_then_session_then_roster(shared: Running) -> None:
    session = await shared.create(meetingUrl="https://meet.example/1", meetingPassword="s3cret")
    await shared.book(session["id"], "ann")
    async with Client.at(shared, "ann") as client:
        await client.send({"type": "join", "id": 5, "session": session["id"]})
        roster = await client.expect("roster")
        assert [message["type"] for message in client.heard] == ["ok", "session"]
        ok, state = client.heard
        assert ok.keys() == {"type", "id", "participant", "meeting"}
        assert ok["meeting"] == {"url": "https://meet.example/1", "password": "s3cret"}
        (visit,) = visits(shared, session["id"])
        assert ok["participant"] == visit.id
        assert (state["live"], state["participants"]) == (1, 1)
        assert roster["revision"] == state["revision"]
        (line,) = roster["participants"]
        assert line.keys() == {"id", "name", "role", "joinedAt"}
        assert (line["id"], line["name"], line["role"]) == ("ann", "Ann", "student")
        assert datetime.fromisoformat(line["joinedAt"]) == visit.joined


async def test_in_a_burst_too_the_roster_comes_before_any_presence(tmp_path: Path) -> None:
    async with running(tmp_path, count_interval_ms=60_000) as hub:
        session = await hub.create()
        for person in ("ann", "bob", "cyd"):
            await hub.book(session["id"], person)
        async with Client.at(hub, "ann") as ann, Client.at(hub, "bob") as bob, Client.at(hub, "cyd") as cyd:
            await inside(ann, session["id"])
            await ann.expect("roster")
            for client in (bob, cyd):
                await client.send({"type": "join", "id": 5, "session": session["id"]})
                await client.expect("roster")
                assert [message["type"] for message in client.heard] == ["ok", "session"]


async def test_joining_twice_is_one_visit(shared: Running) -> None:
    session = await shared.create()
    await shared.book(session["id"], "ann")
    async with Client.at(shared, "ann") as client:
        first = await inside(client, session["id"])
        assert (await inside(client, session["id"]))["participant"] == first["participant"]
        assert len(visits(shared, session["id"])) == 1


async def test_the_owner_joins_without_a_seat(shared: Running) -> None:
    session = await shared.create(meetingUrl="https://meet.example/1")
    async with Client.at(shared, "e-7", "expert") as host, Client.at(shared, "e-8", "expert") as other:
        joined = await inside(host, session["id"])
        assert joined["meeting"] == {"url": "https://meet.example/1", "password": None}
        assert (await other.ask(type="join", session=session["id"]))["code"] == "not_booked"
        state = await watched(other, session["id"])
        assert (state["live"], state["participants"]) == (1, 0)


async def test_joining_is_refused_as_the_contract_says(shared: Running) -> None:
    later = (now() + timedelta(hours=2)).replace(microsecond=0)
    far = await shared.create(startsAt=later.isoformat())
    paid = await shared.create(price={"amount": 100, "currency": "KES"})
    over, off = await shared.create(), await shared.create()
    for session in (far, paid, over, off):
        await shared.book(session["id"], "ann")
    await shared.start(over["id"])
    await shared.call("PATCH", f"/{over['id']}/end")
    await shared.call("DELETE", f"/{off['id']}")
    async with Client.at(shared, "ann") as ann, Client.at(shared, "bob") as bob:
        assert (await bob.ask(type="join", session=far["id"]))["code"] == "not_booked"
        assert (await ann.ask(type="join", session=paid["id"]))["code"] == "payment_required"
        assert (await ann.ask(type="join", session=over["id"]))["code"] == "not_active"
        assert (await ann.ask(type="join", session=off["id"]))["code"] in ("not_booked", "not_active")
        assert (await ann.ask(type="join", session=UNKNOWN))["code"] == "not_found"
        early = await ann.ask(type="join", session=far["id"])
        assert early["code"] == "not_active"
        opens = later - timedelta(minutes=15)
        assert opens.strftime("%Y-%m-%dT%H:%M:%SZ") in early["message"]
        assert await gather_heard(ann) == []
    assert all(visits(shared, session["id"]) == [] for session in (far, paid, over, off))


async def test_leave_is_told_and_leaving_nothing_is_no_error(shared: Running) -> None:
    session = await shared.create()
    await shared.book(session["id"], "ann")
    async with Client.at(shared, "ann") as ann, Client.at(shared) as watcher:
        await watched(watcher, session["id"])
        await inside(ann, session["id"])
        await watcher.expect("session", live=1)
        assert await ann.ask(type="leave", id="l", session=session["id"]) == {"type": "ok", "id": "l"}
        assert (await watcher.expect("session", live=0))["peakLive"] == 1
        assert (await ann.ask(type="leave", session=session["id"]))["type"] == "ok"
        assert (await ann.ask(type="leave", session=UNKNOWN))["type"] == "ok"
        await inside(ann, session["id"])
        assert [visit.reason for visit in visits(shared, session["id"])] == ["left", None]


async def test_a_cancelled_booking_tells_the_joined_socket_by_an_error_with_the_session(shared: Running) -> None:
    session = await shared.create()
    await shared.book(session["id"], "ann")
    async with Client.at(shared, "ann") as first, Client.at(shared, "ann") as second, Client.at(shared) as watcher:
        await watched(watcher, session["id"])
        await inside(first, session["id"])
        await inside(second, session["id"])
        await watcher.expect("session", live=1)
        assert (await shared.call("DELETE", f"/{session['id']}/book", bearer("ann"))).status_code == 200
        for client in (first, second):
            news = await client.expect("error", session=session["id"])
            assert (news["id"], news["code"]) == (None, "not_booked")
            assert (await client.ask(type="join", session=session["id"]))["code"] == "not_booked"
        assert (await watcher.expect("session", live=0))["participants"] == 0


async def test_a_cancelled_session_tells_everyone_in_it(shared: Running) -> None:
    session = await shared.create()
    await shared.book(session["id"], "ann")
    async with Client.at(shared, "ann") as ann, Client.at(shared, "e-7", "expert") as host:
        await inside(ann, session["id"])
        await inside(host, session["id"])
        assert (await shared.call("DELETE", f"/{session['id']}")).status_code == 200
        for client in (ann, host):
            assert (await client.expect("session", status="cancelled"))["live"] == 0
            assert (await client.expect("error", session=session["id"]))["message"].endswith(".")


async def test_a_socket_follows_no_more_than_it_may(shared: Running) -> None:
    ids = [(await shared.create())["id"] for _ in range(6)]
    async with Client.at(shared) as client:
        assert (await client.ask(type="watch", sessions=list(range(1, 101))))["type"] == "ok"
        refusal = await client.ask(type="watch", sessions=list(range(1, 102)))
        assert (refusal["type"], refusal["code"]) == ("error", "invalid_input")
        await watched(client, ids[-1])


async def test_too_much_of_what_others_watch_already_is_refused_by_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.sockets.connection.WATCHES", 1)
    async with running(tmp_path) as hub:
        one, two = (await hub.create())["id"], (await hub.create())["id"]
        async with Client.at(hub) as first, Client.at(hub) as second, Client.at(hub) as third:
            await watched(first, one)
            await watched(second, two)
            refusal = await third.ask(type="watch", sessions=[one, two])
            assert (refusal["type"], refusal["code"]) == ("error", "invalid_input")


async def test_rooms_that_nobody_looks_at_are_forgotten(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert hub.hub is not None
        session = await hub.create()
        await hub.book(session["id"], "ann")
        async with Client.at(hub, "ann") as ann, Client.at(hub, "bob") as bob:
            await watched(bob, session["id"])
            await bob.ask(type="unwatch", sessions=[session["id"]])
            assert (await bob.ask(type="join", session=session["id"]))["code"] == "not_booked"
            assert len(hub.hub.rooms) == 0
            await inside(ann, session["id"])
            await ann.ask(type="leave", session=session["id"])
            assert len(hub.hub.rooms) == 0
            await inside(ann, session["id"])
            drop(ann)
            async with asyncio.timeout(PATIENCE), Client.at(hub) as other:
                while len(hub.hub.rooms):
                    await other.ask(type="ping")
