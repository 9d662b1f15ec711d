"""The main job, end to end over real sockets: schedule, book, join and see it live."""

from __future__ import annotations

from tests.running import EXPERT, Client, Running, bearer


async def test_a_session_is_scheduled_booked_joined_and_seen_live(hub: Running) -> None:
    session = await hub.create(maxParticipants=2, meetingUrl="https://meet.example/1", meetingPassword="s3cret")
    async with Client.at(hub) as watcher, Client.at(hub, "ann") as ann:
        answer = await watcher.ask(type="watch", sessions=[session["id"], 999])
        assert answer["missing"] == [999]
        assert (await watcher.expect("session"))["live"] == 0
        refused = await ann.ask(type="join", session=session["id"])
        assert refused["code"] == "not_booked"
        await hub.book(session["id"], "ann")
        assert (await watcher.expect("session", participants=1))["maxParticipants"] == 2
        joined = await ann.ask(type="join", session=session["id"])
        assert joined["meeting"] == {"url": "https://meet.example/1", "password": "s3cret"}
        assert (await ann.expect("session"))["live"] == 1
        assert [one["id"] for one in (await ann.expect("roster"))["participants"]] == ["ann"]
        assert (await watcher.expect("session", live=1))["peakLive"] == 1
        await hub.start(session["id"])
        await watcher.expect("session", status="active")
        assert (await ann.ask(type="leave", session=session["id"]))["type"] == "ok"
        await watcher.expect("session", live=0)
    attendance = (await hub.call("GET", f"/{session['id']}/attendance", EXPERT)).json()["data"]
    assert [(person["id"], person["visits"][0]["reason"]) for person in attendance["people"]] == [("ann", "left")]
    assert (await hub.call("DELETE", f"/{session['id']}/book", bearer("ann"))).json()["data"]["status"] == "cancelled"
