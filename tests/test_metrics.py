"""Every figure moves when what it counts happens, and is told as Prometheus reads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from hub.metrics import Metrics
from hub.metrics.table import COUNTER, FIGURES, PROCESS, Figure
from hub.tally import Spread
from tests.rfc6455.frames import BINARY, frame
from tests.rfc6455.raw import entered
from tests.running import Client, Running, bearer, running
from tests.scrape import Moved, comes, moves, scrape
from tests.sockets import drop, ended, inside, refused
from tests.tables import change, locked
from tests.test_streams import stream
from tests.ws.test_slow_readers import busy_life, not_reading


async def test_the_table_is_what_a_scraper_is_told_and_nothing_beside(alone: Running) -> None:
    await alone.create()
    families = (await scrape(alone.port)).families
    # A counter's family goes without `_total`.
    told = [(f"{one.name}_total" if one.type == COUNTER else one.name, one.type, one.documentation) for one in families]
    own = [one for one in told if one[0].startswith("hub_")]
    assert own == [(one.name, one.kind, one.meaning) for one in FIGURES]
    assert {name for name, _, _ in told if not name.startswith("hub_")} == set(PROCESS)


@pytest.mark.parametrize("one", FIGURES, ids=lambda one: one.name)
def test_names_follow_the_conventions_and_meanings_are_sentences(one: Figure) -> None:
    assert one.name.startswith("hub_")
    assert one.name.endswith("_total") == (one.kind == COUNTER)
    assert one.name.endswith("_seconds") == (one.unit == "seconds")
    assert not {"le", "quantile", "job", "instance"} & set(one.labels)
    assert one.meaning[0].isupper()
    assert one.meaning.endswith(".")


def test_a_figure_that_nobody_reads_is_not_left_out_in_silence() -> None:
    with pytest.raises(KeyError, match="hub_build_info"):
        Metrics().text()


def test_a_spread_counts_what_is_at_most_each_bound() -> None:
    spread = Spread((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 3.0):
        spread.add(value)
    assert (spread.counts, spread.total) == ([2, 1, 1], 6.0)


HERE: Mapping[str, float] = {
    "hub_connections": 5,
    "hub_rooms": 1,
    "hub_watchers": 2,
    "hub_visits": 2,
    "hub_people_present": 1,
}


async def test_who_is_here_is_counted_until_they_go(alone: Running) -> None:
    session = (await alone.create())["id"]
    await alone.book(session, "ann")
    async with stream(alone, session), Client.at(alone) as watcher, Client.at(alone):
        async with Client.at(alone, "ann") as tab, Client.at(alone, "ann") as other:
            await watcher.ask(type="watch", sessions=[session])
            for one in (tab, other):
                await inside(one, session)
            now = await scrape(alone.port)
            assert {name: now.of(name) for name in HERE} == HERE
            assert now.of("hub_connections", kind="stream") == 1
            await other.ask(type="leave", session=session)
            assert (await scrape(alone.port)).of("hub_people_present") == 1
    await comes(alone, lambda now: {name: now.of(name) for name in HERE} == dict.fromkeys(HERE, 0))


async def test_the_limit_of_connections_is_told_and_that_there_is_none(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=7) as hub:
        assert (await scrape(hub.port)).of("hub_connections_limit") == 7


async def test_what_is_delivered_to_sockets_and_streams(alone: Running) -> None:
    session = (await alone.create())["id"]
    async with stream(alone, session), Client.at(alone) as watcher:
        await watcher.ask(type="watch", sessions=[session])
        await comes(alone, lambda now: now.of("hub_deliveries_total") == 2)
        counted = (Moved("hub_deliveries_total", 1, kind=kind) for kind in ("socket", "stream"))
        async with moves(alone, *counted):
            await alone.start(session)


async def test_what_a_slow_reader_is_spared_and_what_is_kept_for_one_that_goes(tmp_path: Path) -> None:
    async with running(tmp_path, count_interval_ms=1) as hub:
        session = (await hub.create())["id"]
        counted = Moved("hub_conflated_total", 4, kind="socket"), Moved("hub_dropped_total", 2)
        async with moves(hub, *counted), not_reading(hub, session):
            await busy_life(hub, session)


async def test_a_stream_that_is_told_twice_before_it_sends_is_spared_one(alone: Running) -> None:
    assert alone.hub is not None
    session = (await alone.create())["id"]
    async with stream(alone, session), moves(alone, Moved("hub_conflated_total", 1, kind="stream")):
        (room,) = (await alone.hub.rooms.open([session])).values()
        for _ in range(2):
            room._tell_state(room.state.status)  # type: ignore[union-attr]  # it is open


async def test_a_reader_that_takes_nothing_is_a_slow_close(tmp_path: Path) -> None:
    async with running(tmp_path, serving_as={"ping_timeout": 0.3}) as hub:
        session = (await hub.create())["id"]
        async with moves(hub, Moved("hub_slow_closes_total"), Moved("hub_closes_total", 1, code="4008")):
            async with not_reading(hub, session):
                await comes(hub, lambda now: now.of("hub_connections") == 0)


async def test_a_reader_that_asks_and_never_reads_is_one_too(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        session = (await hub.create())["id"]
        async with moves(hub, Moved("hub_slow_closes_total"), Moved("hub_closes_total", 1, code="1006")):
            async with not_reading(hub, session, pings=10_000):
                await comes(hub, lambda now: now.of("hub_connections") == 0)


async def test_closes_by_code_and_all_that_peers_make_up_as_one(alone: Running) -> None:
    codes = ("4400", "1000", "1006", "other")
    async with moves(alone, *(Moved("hub_closes_total", 1, code=code) for code in codes)):
        async with entered(alone) as peer:
            await peer.send(frame(BINARY, b"\0"))
            await peer.ended_by(4400)
        async with Client.at(alone):
            pass
        async with Client.at(alone) as gone:
            drop(gone)
        async with Client.at(alone) as odd:
            await odd.socket.close(4777)
    assert (await scrape(alone.port)).of("hub_closes_total", code="4777") == 0
    assert (await scrape(alone.port)).of("hub_slow_closes_total") == 0


async def test_the_ledgers_groups_and_commits(alone: Running) -> None:
    session = (await alone.create())["id"]
    figures = Moved("hub_ledger_group_size_sum"), Moved("hub_ledger_commit_seconds_count")
    async with moves(alone, *figures, Moved("hub_ledger_commit_seconds_bucket", 1, le="+Inf")):
        await alone.book(session, "ann")


async def test_what_waits_for_a_database_that_is_held_up(alone: Running) -> None:
    session = (await alone.create())["id"]
    assert alone.hub is not None
    ledger = alone.hub.ledger
    with locked(alone.where):
        first = asyncio.create_task(alone.book(session, "s-0"))
        await comes(alone, lambda _: ledger.busy and not ledger.waiting)
        others = [asyncio.create_task(alone.book(session, f"s-{number}")) for number in range(1, 4)]
        await comes(alone, lambda now: now.of("hub_ledger_waiting") == 3)
    await asyncio.gather(first, *others)
    now = await scrape(alone.port)
    assert (now.of("hub_ledger_waiting"), now.of("hub_ledger_group_size_bucket", le="5.0")) == (0, 2)


async def test_a_lost_lease_and_what_is_refused_under_it(alone: Running) -> None:
    assert alone.hub is not None
    session = (await alone.create())["id"]
    await alone.book(session, "ann")
    async with Client.at(alone, "ann") as ann:
        async with moves(alone, Moved("hub_ledger_fenced_total"), Moved("hub_refusals_total", 1, at="message")):
            change(alone.where, "UPDATE nodes SET state = 'dead'")
            assert (await ann.ask(type="join", session=session))["code"] == "unavailable"
        restart = Moved("hub_closes_total", 1, code="1012")
        async with moves(alone, Moved("hub_leases_lost_total"), restart):
            await alone.hub.lease.beat()
            await ended(ann)


async def test_a_lease_that_can_not_be_prolonged_grows_old_and_the_process_unready(tmp_path: Path) -> None:
    async with running(tmp_path, lease_seconds=1) as hub:
        await comes(hub, lambda now: now.of("hub_ready") == 1)
        async with moves(hub, Moved("hub_lease_beat_failures_total", 2), Moved("hub_lease_beat_age_seconds", 0.3)):
            change(hub.where, "ALTER TABLE nodes RENAME TO away")
            await comes(hub, lambda now: now.of("hub_ready") == 0)
        change(hub.where, "ALTER TABLE away RENAME TO nodes")
        await comes(hub, lambda now: now.of("hub_ready") == 1 and now.of("hub_lease_beat_age_seconds") < 0.6)


async def test_visits_that_were_closed_for_a_dead_process(alone: Running) -> None:
    session = (await alone.create())["id"]
    for person in ("ann", "bob"):
        await alone.book(session, person)
    async with Client.at(alone, "ann") as ann, Client.at(alone, "bob") as bob:
        for one in (ann, bob):
            await inside(one, session)
        async with moves(alone, Moved("hub_visits_reaped_total", 2)):
            dead = "INSERT INTO nodes SELECT 'gone', started_at, started_at, 'dead' FROM nodes"
            change(alone.where, dead)
            change(alone.where, "UPDATE session_participants SET node_id = 'gone'")


async def test_news_that_nobody_announced_are_healed(alone: Running) -> None:
    assert alone.hub is not None
    session = (await alone.create())["id"]
    async with Client.at(alone) as watcher:
        await watcher.ask(type="watch", sessions=[session])
        async with moves(alone, Moved("hub_revisions_healed_total")):
            change(alone.where, "UPDATE live_sessions SET revision = revision + 1")
            alone.hub.comparing.hurry()


async def test_the_way_of_an_announcement_in_memory(alone: Running) -> None:
    async with moves(alone, Moved("hub_bus_lag_seconds_count")):
        await alone.create()
    assert (await scrape(alone.port)).of("hub_bus_up") == 1


async def test_requests_by_route_method_and_status_and_never_by_what_a_caller_wrote(alone: Running) -> None:
    book = {"method": "POST", "route": "/api/live-sessions/{id}/book"}
    counted = [
        Moved("hub_http_requests_total", 1, **book, status="201"),
        Moved("hub_http_requests_total", 1, **book, status="401"),
        Moved("hub_http_request_duration_seconds_count", 2, **book),
        Moved("hub_http_requests_total", 1, route="/healthz", status="200"),
        Moved("hub_http_requests_total", 2, route="other", status="404"),
        Moved("hub_http_requests_total", 1, method="other", route="/metrics"),
    ]
    session = (await alone.create())["id"]
    async with moves(alone, *counted), alone.http() as http:
        await alone.book(session, "ann")
        await alone.call("POST", f"/{session}/book", {})
        await http.get("/healthz")
        for path in ("/canary-1", "/canary-2"):
            await http.get(path)
        await http.request("PROPFIND", "/metrics")
    text = alone.hub.metrics.text().decode() if alone.hub else ""
    assert "canary" not in text
    assert "PROPFIND" not in text
    assert f"/{session}/book" not in text


async def test_an_answer_that_never_ends_is_counted_when_it_begins(alone: Running) -> None:
    session = (await alone.create())["id"]
    route = "/api/live-sessions/{id}/events"
    async with stream(alone, session):
        assert (await scrape(alone.port)).of("hub_http_request_duration_seconds_count", route=route) == 1


async def test_refusals_by_where_and_code(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=1) as hub:
        counted = [
            Moved("hub_refusals_total", 1, at="http", code="not_found"),
            Moved("hub_refusals_total", 1, at="http", code="invalid_input"),
            Moved("hub_refusals_total", 1, at="handshake", code="forbidden"),
            Moved("hub_refusals_total", 1, at="handshake", code="unavailable"),
            Moved("hub_refusals_total", 1, at="message", code="invalid_input"),
        ]
        async with moves(hub, *counted):
            await hub.call("GET", "/999", bearer("ann"))
            await malformed(hub)
            await refused(hub, origin="https://evil.example")
            async with Client.at(hub) as client:
                assert (await client.ask(type="canary"))["type"] == "error"
                await refused(hub)


async def malformed(hub: Running) -> None:
    """A request that is no HTTP."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(b"canary\r\n\r\n")
    assert b" 400 " in await reader.read()
    writer.close()


async def test_a_loop_that_is_held_up_is_late(alone: Running) -> None:
    lag = Moved("hub_event_loop_lag_seconds_sum", 0.2)
    async with moves(alone, lag, Moved("hub_event_loop_lag_seconds_count", 2)):
        await asyncio.sleep(0)
        time.sleep(0.35)  # noqa: ASYNC251  that is what it is about


async def test_a_process_that_drains_says_so_and_is_not_ready(alone: Running) -> None:
    assert alone.hub is not None
    async with alone.http() as http:
        assert (await http.get("/readyz")).status_code == 200
        now = await scrape(alone.port)
        assert (now.of("hub_draining"), now.of("hub_ready"), now.of("hub_build_info")) == (0, 1, 1)
        alone.hub.lobby.draining = True
        assert (await http.get("/readyz")).status_code == 503
    now = await scrape(alone.port)
    assert (now.of("hub_draining"), now.of("hub_ready")) == (1, 0)


async def test_a_probe_that_is_told_not_ready_is_no_refusal(alone: Running) -> None:
    assert alone.hub is not None
    alone.hub.lobby.draining = True
    refused = "hub_refusals_total"
    async with alone.http() as http:
        before = (await scrape(alone.port)).of(refused, at="http", code="unavailable")
        assert (await http.get("/readyz")).status_code == 503
    assert (await scrape(alone.port)).of(refused, at="http", code="unavailable") == before


async def test_whoever_scrapes_too_often_is_refused_at_the_address_for_all(tmp_path: Path) -> None:
    async with running(tmp_path, rate_limit=2) as hub, hub.http() as http:
        assert [(await http.get("/metrics")).status_code for _ in range(3)] == [200, 200, 429]
