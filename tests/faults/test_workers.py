"""Two workers at one address: a session spans both, and one of them is killed."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import Counter
from collections.abc import Callable

from tests.faults.checker import stored
from tests.faults.nodes import SLACK, Nodes, pid, together
from tests.faults.people import Guest
from tests.processes import family, processes
from tests.running import PATIENCE, kill, now
from tests.tables import ask

figures = logging.getLogger("figures")

PEOPLE = [f"p-{number}" for number in range(100)]
LATER = [f"later-{number}" for number in range(40)]


async def until(true: Callable[[], bool]) -> None:
    """Wait for what nobody tells us of."""
    async with asyncio.timeout(2 * PATIENCE):
        while True:
            if true():
                return
            await asyncio.sleep(0.05)


def workers(supervisor: int) -> list[int]:
    """The processes that it keeps, oldest first, without those that have ended."""
    there = processes()
    return sorted(child for child in family(supervisor) if there.get(child, "Z")[0] != "Z")


def leases(nodes: Nodes) -> int:
    """How many processes live."""
    return len(ask(nodes.where, "SELECT id FROM nodes WHERE state = 'alive'"))


async def kill_one(nodes: Nodes, supervisor: int, guests: list[Guest]) -> list[Guest]:
    """SIGKILL to one of two workers; those who were in it."""
    doomed, _ = workers(supervisor)
    at = now()
    os.kill(doomed, signal.SIGKILL)
    await until(lambda: doomed not in workers(supervisor))
    await asyncio.sleep(0.1)  # what the kernel sent at its end is read
    gone = [guest for guest in guests if guest.socket.closed.done()]
    for guest in gone:
        guest.stay.end("node_lost", at=at, early=nodes.beat + SLACK)
    return gone


<<<<<<< HEAD
async def test_a_session_spans_two_workers_and_one_that_is_killed_is_replaced(nodes: Nodes) -> None:
    nodes.lease = 2.0
    async with together(nodes):
        node = await nodes.start(HUB_WORKERS="2")
        supervisor = pid(node)
        await until(lambda: len(workers(supervisor)) == leases(nodes) == 2)
        session = await nodes.furnish([*PEOPLE, *LATER])
        host = await nodes.host(node, session)
        watching = asyncio.create_task(host.keep_watching([node.port]))
        guests = await nodes.guests(node, session, PEOPLE)
        await host.until_live(len(PEOPLE))
        shares = Counter(row.node for row in stored(nodes.where))
        assert len(shares) == 2
        assert min(shares.values()) >= len(PEOPLE) / 10
        before = workers(supervisor)
        gone = await kill_one(nodes, supervisor, guests)
        assert len(gone) in shares.values()
        back = [guest.person for guest in gone[::2]]
        await nodes.guests(node, session, back)
        await host.until_live(len(PEOPLE) - len(gone) + len(back))
        assert not set(back) & set(host.left)
        await until(lambda: len(workers(supervisor)) == leases(nodes) == 2)
        assert len(set(workers(supervisor)) & set(before)) == 1
        await nodes.guests(node, session, LATER)
        assert len({row.node for row in stored(nodes.where) if row.person in LATER} - shares.keys()) == 1
        assert await nodes.until_well() == []
        watching.cancel()
        assert await kill(node, signal.SIGTERM) in (0, -signal.SIGTERM)
    figures.info("%s by worker; %d were in the killed one, %d came back", list(shares.values()), len(gone), len(back))
=======
async def test_workers_that_do_not_stop_are_killed_after_the_limit(tmp_path: Path) -> None:
    async with ready(tmp_path, stop_seconds=0.5, manners="deaf") as one:
        began = asyncio.get_running_loop().time()
        assert await one.end(signal.SIGTERM) == 1
        assert asyncio.get_running_loop().time() - began >= MARGIN_SECONDS
        await one.refused()
    assert "".join(one.said).count("does not stop: killed") == COUNT


async def test_a_second_signal_is_impatience_and_passed_on_as_such(tmp_path: Path) -> None:
    async with ready(tmp_path, stop_seconds=60, manners="deaf") as one:  # deaf to the first one only
        one.process.send_signal(signal.SIGTERM)
        assert await one.end(signal.SIGINT) == 0
    assert "killed" not in "".join(one.said)


async def test_workers_that_fail_at_start_again_and_again_are_given_up(tmp_path: Path) -> None:
    async with supervised(tmp_path) as one:
        one.flag.touch()
        assert await one.ended() == 1
    assert "workers fail at start, 3 times now: giving up" in "".join(one.said)
    assert "ready" not in "".join(one.said)


async def test_a_worker_that_dies_while_others_serve_and_never_starts_again_ends_them_all(tmp_path: Path) -> None:
    async with ready(tmp_path) as one:
        one.flag.touch()
        os.kill(await one.answer(), signal.SIGKILL)
        assert await one.ended() == 1
        await one.refused()
    assert "giving up" in "".join(one.said)


async def test_hangup_replaces_everyone_and_no_connection_is_refused_meanwhile(tmp_path: Path) -> None:
    async with ready(tmp_path) as one:
        before = await one.workers()
        replaced = asyncio.create_task(one.until("every worker was replaced"))
        one.process.send_signal(signal.SIGHUP)
        asked = 0
        while not replaced.done():
            await one.answer()
            asked += 1
        assert asked > COUNT
        await replaced
        await one.workers(but=before)
        assert await one.end(signal.SIGTERM) == 0
        with pytest.raises((OSError, ValueError)):  # the control: a question nobody answers would have been noticed
            await one.answer()
    assert "starting another" not in "".join(one.said)


async def test_those_who_serve_stay_when_their_successors_can_not_start(tmp_path: Path) -> None:
    async with ready(tmp_path) as one:
        before = await one.workers()
        one.flag.touch()
        one.process.send_signal(signal.SIGHUP)
        await one.until("a new worker does not serve: those that there are stay")
        assert await one.workers() == before
        one.flag.unlink()
        one.process.send_signal(signal.SIGHUP)
        await one.until("every worker was replaced")
        await one.workers(but=before)
        assert await one.end(signal.SIGINT) == 130


async def test_workers_go_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    async with ready(tmp_path) as one:
        await one.workers()
        await one.end(signal.SIGKILL)
        await one.refused()


def test_an_address_that_is_taken_is_refused_even_where_it_could_be_shared() -> None:
    places = bind("127.0.0.1", 0, 2)
    port = places[0][0].getsockname()[1]
    try:
        for sockets in places:
            sockets[0].listen()
        with pytest.raises(CannotListen, match=rf"^127\.0\.0\.1:{port} can't be listened on: Address already in use$"):
            bind("127.0.0.1", port, 2)
        with socket.socket() as stranger:  # the control: nothing but our look before keeps a second hub away
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            stranger.bind(("127.0.0.1", port))
    finally:
        for sockets in places:
            sockets[0].close()


def test_an_address_that_is_not_ours_is_refused_with_a_sentence() -> None:
    with pytest.raises(CannotListen, match=r"^192\.0\.2\.1:8000 can't be listened on: "):
        bind("192.0.2.1", 8000, 1)


SUPERVISED_HUB = """
import sys
from hub import logs
from hub.listening import bind
from hub.workers import supervise
logs.set_up("text")
places = bind("127.0.0.1", int(sys.argv[1]), 1)
command = lambda descriptors: [sys.executable, "-m", "hub", "serve", *(f"--fd={one}" for one in descriptors)]
sys.exit(supervise(command, places, 25, lambda: sys.stderr.write("ready\\n")))
"""


async def test_a_hub_is_a_good_worker_that_says_when_it_serves_and_sends_people_home(tmp_path: Path) -> None:
    hub = Running((free_port(),), tmp_path / "hub.db")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISED_HUB, str(hub.port),
        env=variables_for(hub.where, hub.port), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    one = Supervised(process, tmp_path, hub.port)
    try:
        await one.until("ready")
        async with Client.at(hub) as client:
            # SQLite is of one process, so a successor can't start: the one that serves must not have been told to go.
            process.send_signal(signal.SIGHUP)
            await one.until("a new worker does not serve")
            assert (await client.ask(type="ping"))["type"] == "pong"
            ending = asyncio.create_task(one.end(signal.SIGTERM))
            assert (await client.expect("drain"))["reconnectIn"] >= 0
            async with asyncio.timeout(PATIENCE):
                await client.socket.wait_closed()
            assert client.socket.close_code == 1012
            assert await ending == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "Another hub process is using this SQLite file" in "".join(one.said)
    assert "Traceback" not in "".join(one.said)
>>>>>>> main
