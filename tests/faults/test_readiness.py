"""What `/readyz`, metrics and log say while a thing is away, and after it: back by itself, or the process goes."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.leases import Lease
from hub.readiness import BROKEN, Readiness
from hub.store.postgresql import PostgresDatabase
from tests.faults.dying import TASKS
from tests.faults.nodes import LONG, pid
from tests.processes import free_port
from tests.running import API, PATIENCE, Running, bearer, kill, running, spawn
from tests.security.audited import listening
from tests.servers import PostgresServer, RedisServer
from tests.tables import change

figures = logging.getLogger("figures")

SILENT = "the database does not answer"
LONG_PATIENCE = 3 * PATIENCE


class Witness:
    """Who asks a hub how it is, and reads what it says meanwhile."""

    def __init__(self, hub: Running, folder: Path, session: int, http: httpx2.AsyncClient) -> None:
        self._hub = hub
        self._log = folder / "hub.log"
        self._session = session
        self._http = http
        self._read = len(self._log.read_bytes())
        self._people = 0
        self.table: list[str] = []

    @classmethod
    @asynccontextmanager
    async def of(cls, hub: Running, folder: Path) -> AsyncIterator[Witness]:
        """One with a session to book."""
        session = (await hub.create())["id"]
        async with hub.http() as http:
            http.timeout = LONG_PATIENCE
            yield cls(hub, folder, session, http)

    async def until(self, fits: Callable[[str], bool]) -> str:
        """Ask /readyz until it says so; what it says: `ready`, or why not."""
        async with asyncio.timeout(LONG_PATIENCE):
            while True:
                answer = await self._http.get("/readyz")
                said = "ready" if answer.status_code == 200 else str(answer.json()["detail"])
                if fits(said):
                    return said
                await asyncio.sleep(0.05)

    async def book(self) -> int:
        """The status of one more person's booking."""
        self._people += 1
        headers = bearer(f"s-{self._people}")
        return (await self._http.post(f"{API}/{self._session}/book", headers=headers)).status_code

    async def refused(self) -> int:
        """How many answers were 5xx, by the metrics."""
        text = (await self._http.get("/metrics")).text
        found = re.findall(r'^hub_http_requests_total\{.*status="5\d\d"\} ([\d.]+)', text, re.MULTILINE)
        return int(sum(map(float, found)))

    def lines(self) -> list[dict[str, Any]]:
        """What the log said since it was asked last."""
        fresh = self._log.read_bytes()[self._read :]
        self._read += len(fresh)
        return [json.loads(line) for line in fresh.splitlines()]

    async def told(self, fault: str, down: str, booked: int, before: int) -> list[dict[str, Any]]:
        """The row of a fault that is over; its lines."""
        assert await self.until(lambda said: said == "ready") == "ready"
        async with asyncio.timeout(PATIENCE):
            while await self.book() != 201:  # noqa: ASYNC110  it is asked as people ask
                await asyncio.sleep(0.1)
        lines = self.lines()
        said = [line["message"] for line in lines if line["logger"] == "hub.readiness"]
        other = [line for line in lines if line["logger"] not in ("hub.readiness", "hub.audit")]
        more = await self.refused() - before
        head = f"{fault}: readyz '{down}' then 'ready'; booking {booked} then 201; hub_http_requests_total 5xx +{more}"
        rows = [head, *(f"    {line['level']} {line['logger']}: {line['message']}" for line in lines if line in other)]
        self.table += [*rows, *(f"    hub.readiness: {one}" for one in said)]
        assert said[-1] == "ready"
        assert said.count("ready") == 1
        assert len(said) <= 4, said  # a change a line, and not a line a probe
        assert more >= (booked >= 500)
        return lines


@pytest.fixture(scope="module")
def own() -> Iterator[tuple[PostgresServer, RedisServer]]:
    """Servers that may be frozen and killed."""
    with PostgresServer(own=True) as postgres, RedisServer(own=True) as redis:
        yield postgres, redis


async def test_database_and_redis_go_and_come_back_and_no_restart_is_needed(
    tmp_path: Path, own: tuple[PostgresServer, RedisServer]
) -> None:
    postgres, redis = own
    url = postgres.database()
    await PostgresDatabase(url).migrate()
    environment = {"HUB_REDIS_URL": redis.url(), "HUB_LOG_FORMAT": "json", "HUB_LEASE_SECONDS": "3"}
    hub = await spawn(tmp_path, free_port(), url, **environment)
    faults: list[tuple[str, Callable[[], object], Callable[[], object], str, int]] = [
        ("PostgreSQL stands still", postgres.freeze, postgres.thaw, SILENT, 503),
        ("PostgreSQL is killed", postgres.kill, postgres.restart, SILENT, 503),
        ("Redis stands still", redis.freeze, redis.thaw, "Redis does not answer", 201),
        ("Redis is killed", redis.kill, redis.restart, "Redis does not answer", 201),
    ]
    try:
        async with Witness.of(hub, tmp_path) as witness:
            for name, begin, end, reason, status in faults if LONG else (faults[0], faults[3]):
                before = await witness.refused()
                await asyncio.to_thread(begin)
                try:
                    down = await witness.until(lambda said: said != "ready")
                    booked = await witness.book()
                finally:
                    await asyncio.to_thread(end)
                lines = await witness.told(name, down, booked, before)
                assert (down, booked) == (f"Not ready: {reason}.", status)
                assert f"not ready: {reason}" in [line["message"] for line in lines]
        figures.info("without a restart:\n%s", "\n".join(witness.table))
        assert hub.process is not None
        assert hub.process.returncode is None
    finally:
        await kill(hub)


async def test_a_disk_is_full_and_freed_and_no_restart_is_needed(tmp_path: Path) -> None:
    hub = await spawn(tmp_path, free_port(), HUB_LOG_FORMAT="json", HUB_LEASE_SECONDS="1")
    try:
        async with Witness.of(hub, tmp_path) as witness:
            before, limits = await witness.refused(), resource.prlimit(pid(hub), resource.RLIMIT_FSIZE)
            # The log goes on: only what the limit stops, files that are larger than it, can grow no more.
            resource.prlimit(pid(hub), resource.RLIMIT_FSIZE, (16_384, limits[1]))
            booked = await witness.book()
            down = await witness.until(lambda said: said != "ready")
            resource.prlimit(pid(hub), resource.RLIMIT_FSIZE, limits)
            lines = await witness.told("the disk is full", down, booked, before)
        figures.info("without a restart:\n%s", "\n".join(witness.table))
    finally:
        await kill(hub)
    assert (down, booked) == ("Not ready: the database takes no writes.", 503)
    assert "a group was not stored" in [line["message"] for line in lines]
    assert "changes are stored again" in [line["message"] for line in lines]


@pytest.mark.parametrize("watched", [True, False], ids=["", "control"])
async def test_a_database_that_is_read_and_not_written_is_not_ready_unless_nobody_watches_the_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    if not watched:
        monkeypatch.setattr(Lease, "refused", property(lambda self: False, lambda self, value: None), raising=False)
    monkeypatch.setattr("hub.readiness.KEPT_SECONDS", 0.0)
    async with running(tmp_path) as alone:
        lease = alone.hub.lease if alone.hub else None
        assert lease is not None
        change(alone.where, "ALTER TABLE nodes RENAME TO elsewhere")
        await lease._beaten()
        async with alone.http() as http:
            down = await http.get("/readyz")
            change(alone.where, "ALTER TABLE elsewhere RENAME TO nodes")
            await lease._beaten()
            up = await http.get("/readyz")
    assert (down.status_code, up.status_code) == (503 if watched else 200, 200)


async def test_a_background_task_dies_and_so_the_process_goes(tmp_path: Path) -> None:
    hub = await spawn(tmp_path, free_port(), None, ("-m", "tests.faults.dying", "ledger", "serve"))
    assert hub.process is not None
    try:
        hub.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(PATIENCE):
            code = await hub.process.wait()
    finally:
        await kill(hub)
    log = (tmp_path / "hub.log").read_text()
    assert code == 1
    assert "the background task 'ledger' died: this process goes" in log
    assert log.count("not ready: the background task 'ledger' died") == 1
    assert "as a bug would" in log


@pytest.mark.parametrize("task", TASKS)
async def test_until_it_has_gone_it_says_which_task_died(tmp_path: Path, task: str) -> None:
    async with running(tmp_path) as alone:
        hub = alone.hub
        assert hub is not None
        assert set(hub.tasks) == set(TASKS)
        async with asyncio.timeout(PATIENCE):
            while not hub.readiness.ready:  # noqa: ASYNC110  each task waits in its own place then
                await asyncio.sleep(0.01)
        gone = asyncio.Event()
        hub.failed = gone.set  # as under another server, which does not know that it is to end
        waits_for: Any = hub.tasks[task]
        waits_for._fut_waiter.set_exception(ZeroDivisionError("as a bug would"))
        async with asyncio.timeout(PATIENCE), alone.http() as http:
            await gone.wait()
            hub.lobby.draining = True  # which is not the reason
            answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.json()["detail"] == f"Not ready: the background task {task!r} died."


async def test_a_stop_is_told_as_draining_once(tmp_path: Path) -> None:
    hub = await spawn(tmp_path, free_port())
    await kill(hub, signal.SIGTERM)
    log = (tmp_path / "hub.log").read_text()
    assert (log.count("hub.readiness: ready"), log.count("hub.readiness: not ready: draining")) == (1, 1)


async def test_a_look_that_breaks_is_told_once_and_ends_nothing() -> None:
    async def check() -> str | None:
        raise ZeroDivisionError("a bug")

    readiness = Readiness(lambda: None, check)
    with listening("hub.readiness") as told:
        for _ in range(3):
            readiness._until = 0.0
            assert await readiness.reason() == BROKEN
    assert [line["level"] for line in told.lines] == ["error", "warning"]
    assert not readiness.ready
