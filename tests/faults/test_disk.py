"""A disk that takes no more: refused with 503, reads go on, and all is well again once there is room."""

from __future__ import annotations

import resource
from pathlib import Path

from tests.running import API, Client, bearer, free_port, kill, spawn
from tests.storm import people_counted, seats_sold_once, storm, tally, tokens
from tests.tables import ask


async def test_a_process_whose_disk_is_full_refuses_and_recovers_without_a_restart(tmp_path: Path) -> None:
    hub = await spawn(tmp_path, free_port(), HUB_LEASE_SECONDS="1")
    assert hub.process is not None
    pid = hub.process.pid
    try:
        session = (await hub.create())["id"]
        people = tokens(f"s-{number}" for number in range(60))
        requests = [("POST", f"/{session}/book", people[person]) for person in people]
        before = await storm(hub.port, requests[:20])
        async with Client.at(hub, "s-0") as joined, hub.http(**bearer("late")) as http:
            assert (await joined.ask(type="join", session=session))["type"] == "ok"
            limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, limits[1]))  # no file may grow past its first byte
            full = await storm(hub.port, requests[20:])
            refused = await http.post(f"{API}/{session}/book")
            seen = await http.get(f"{API}/{session}")
            assert (await joined.ask(type="ping"))["type"] == "pong"
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
            after = await storm(hub.port, requests[20:])
            assert (await joined.ask(type="leave", session=session))["type"] == "ok"
    finally:
        await kill(hub)
    assert (tally(before), tally(full), tally(after)) == ({"201": 20}, {"503 unavailable": 40}, {"201": 40})
    assert (refused.status_code, int(refused.headers["retry-after"]) >= 1) == (503, True)
    assert seen.json()["data"]["participants"] == 20
    stored = set(ask(hub.where, "SELECT id FROM session_bookings"))
    assert stored == {answer.body["data"]["id"] for answer in before + after}
    assert seats_sold_once(hub.where, session) + people_counted(hub.where, session) == []
    assert ask(hub.where, "PRAGMA integrity_check") == ["ok"]
