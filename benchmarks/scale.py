"""The model of `benchmarks.sizing`, and what a scaled run comes to beside what it says of one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mean

from benchmarks import comeback, seeding, servers, sizing, table
from benchmarks.audience import AT_ONCE, Audience, back_and_forth
from benchmarks.constants import (
    CONNECT_US,
    DELIVERY_US,
    HEAR_US,
    KERNEL_KB,
    PROCESS_MB,
    RESTING_TRANSACTIONS,
    STATE_BYTES,
    SUCCESSOR_SECONDS,
    TELL_US,
    WATCHING_KB,
)
from benchmarks.machine import KB, Cores, Meter, at_rest, facts, resident
from benchmarks.servers import Stores
from benchmarks.sockets import Socket, close, each
from benchmarks.wrong import Wrong
from tests.servers import PostgresServer, RedisServer
from tests.servers import ask as ask_redis
from tests.tables import ask

WATCHERS = 2_000
SECONDS = 5.0
RATE = 10.0
TOLERANCE = 1.5
COME_BACK_WITHIN = 60.0
SETTLE_SECONDS = 2.0
"""PostgreSQL counts what a connection did up to so much later."""
HEADER = ("", "watchers", "processes", "frames", "server busy", "client busy")
NOTES = (
    "figure: measured; baseline: what the model says, from the constants in benchmarks/constants.py; ratio: the first",
    "  over the second. CPU is that of the hubs, all threads. Memory of the kernel: the growth of its slabs over the",
    "  sockets of both ends. One process is on SQLite, two are on PostgreSQL and Redis (own ones, commits not",
    "  synced, unless --database and --redis name others).",
    "come back: SIGTERM under as many watchers, a successor at the same port, each comes back when told to, or then.",
)


@dataclass
class Seen:
    """What was found: rows of the table, and figures beside those of the model."""

    rows: list[tuple[str, ...]]
    verdicts: list[table.Verdict]

    def beside(self, what: str, measured: float, said: float, unit: str) -> None:
        """One figure of both."""
        ratio = table.over(measured, said)
        met = 1 / TOLERANCE <= ratio <= TOLERANCE
        target = f"{1 / TOLERANCE:.2f} to {TOLERANCE:.2f}"
        figures = table.amount(measured, unit), table.amount(said, unit)
        self.verdicts.append(table.Verdict(what, *figures, ratio, target, met))


async def run(
    folder: Path, stores: Stores, cores: Cores, watchers: int, seconds: float, rate: float, say: Callable[[str], None]
) -> str:
    """The report: the model's tables, and the run's."""
    seen = Seen([], [])
    own = Stores(f"sqlite:///{folder}/alone.db")
    say(f"scale: {watchers:,} watchers, one process")
    await _one(folder, own, cores, (watchers, seconds, rate), seen)
    say(f"scale: {watchers:,} watchers come back")
    await _restart(folder, own, cores, watchers, min(sizing.WINDOW_SECONDS, seconds), seen)
    say(f"scale: {watchers:,} watchers, two processes")
    with _shared(stores) as shared:
        await _two(folder, shared, cores, (watchers, seconds, rate), seen)
    title = f"The model against a run: {watchers:,} watchers, {rate:g} changes a second"
    tables = f"{sizing.markdown(sizing.rows())}\n\n{sizing.markdown(sizing.breaks())}"
    return f"{tables}\n\n{table.report(title, facts(cores), seen.rows, seen.verdicts, *NOTES, header=HEADER)}"


@contextmanager
def _shared(stores: Stores) -> Iterator[Stores]:
    if stores.redis is not None:
        yield stores
        return
    with PostgresServer() as postgres, RedisServer() as redis:
        yield Stores(postgres.database(), redis.url(0))


async def _one(folder: Path, stores: Stores, cores: Cores, load: tuple[int, float, float], seen: Seen) -> None:
    watchers, seconds, rate = load
    (session,) = await seeding.running_sessions(stores, [[]])
    audience, kernel = Audience(), slabs()
    with servers.hub(folder, cores, stores) as hub:
        await at_rest(hub.pid)
        coming = Meter(hub.pid)
        await audience.gather(hub.port, watchers, session)
        cost = coming.cost()
        await at_rest(hub.pid)
        size, kept = resident(hub.pid), slabs() - kernel
        delivered = await audience.turn(hub, _changes(session, seconds, rate), rate, 2)
        close(audience.sockets)
    frames = delivered.frames
    seen.rows.append(("one process", f"{watchers:,}", "1", f"{frames:,}", *table.busy([delivered.cost])))
    seen.beside("CPU to connect and watch, each", cost.each(watchers) * 1e6, CONNECT_US, "µs")
    seen.beside("cores, all told", delivered.cost.busy[0], _told(frames, delivered.cost.seconds), "cores")
    seen.beside("memory", size / KB**2, PROCESS_MB + watchers * WATCHING_KB / KB, "MB")
    seen.beside("memory of the kernel, a socket", kept / KB / 2 / watchers, KERNEL_KB, "KB")
    seen.beside("a message", audience.size + 4, STATE_BYTES, "bytes")


def _changes(session: int, seconds: float, rate: float) -> Sequence[bytes]:
    return list(islice(back_and_forth(session), max(2, round(seconds * rate))))


def _told(frames: int, seconds: float) -> float:
    """Cores that so many deliveries take."""
    return frames * DELIVERY_US / 1e6 / seconds


def slabs() -> int:
    """Bytes of the kernel's own objects; raises `Wrong` where they can't be read."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        raise Wrong("this needs the kernel's memory, which only Linux's /proc tells") from None
    return next(int(line.split()[1]) * KB for line in lines if line.startswith("Slab:"))


async def _two(folder: Path, stores: Stores, cores: Cores, load: tuple[int, float, float], seen: Seen) -> None:
    watchers, seconds, rate = load
    (session,) = await seeding.running_sessions(stores, [[]])
    audience = Audience()
    with servers.hub(folder, cores, stores) as first, servers.hub(folder, cores, stores) as second:
        for hub, count in ((first, watchers - watchers // 2), (second, watchers // 2)):
            await audience.gather(hub.port, count, session)
        await asyncio.gather(at_rest(first.pid), at_rest(second.pid))
        await asyncio.sleep(min(seconds, SETTLE_SECONDS))
        size = mean(resident(hub.pid) for hub in (first, second))
        asked, other = Asked(stores), Meter(second.pid)
        delivered = await audience.turn(first, _changes(session, seconds, rate), rate, 2)
        under_load, beside = asked.until_now(), other.cost()
        resting = Asked(stores)
        await asyncio.sleep(seconds)
        at_ease = resting.until_now()
        close(audience.sockets)
    frames, took = delivered.frames, delivered.cost.seconds
    changed = delivered.changes / took
    told = _told(frames, took) + changed * (TELL_US + 2 * HEAR_US) / 1e6
    busy = [f"{share:.0%}" for share in (delivered.cost.busy[0] + beside.busy[0], delivered.cost.busy[1])]
    seen.rows.append(("two processes", f"{watchers:,}", "2", f"{frames:,}", *busy))
    seen.beside("two: cores, all told", delivered.cost.busy[0] + beside.busy[0], told, "cores")
    seen.beside("two: memory of each", size / KB**2, PROCESS_MB + watchers / 2 * WATCHING_KB / KB, "MB")
    seen.beside("two: transactions at rest", at_ease.transactions, 2 * RESTING_TRANSACTIONS, "/s")
    seen.beside("two: transactions", under_load.transactions, changed + 2 * RESTING_TRANSACTIONS, "/s")
    seen.beside("two: published", under_load.published, changed + 2, "/s")


@dataclass(frozen=True)
class Rates:
    """Of PostgreSQL and Redis, a second."""

    transactions: float
    published: float


class Asked:
    """What PostgreSQL and Redis were asked for from now on."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._began = time.perf_counter()
        self._before = self._counts()

    def until_now(self) -> Rates:
        """How much a second."""
        seconds = time.perf_counter() - self._began
        transactions, published = (
            (now - then) / seconds for now, then in zip(self._counts(), self._before, strict=True)
        )
        return Rates(transactions, published)

    def _counts(self) -> tuple[float, float]:
        assert self._stores.redis is not None
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        (transactions,) = ask(self._stores.database, query)
        told = ask_redis(self._stores.redis, "INFO", "commandstats")
        return transactions, sum(told.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("publish", "spublish"))


async def _restart(folder: Path, stores: Stores, cores: Cores, people: int, window: float, seen: Seen) -> None:
    (session,) = await seeding.running_sessions(stores, [[]])
    grace = {"HUB_LEAVE_GRACE_SECONDS": str(2 * window)}
    with ExitStack() as stack:
        hub = stack.enter_context(servers.hub(folder, cores, stores, **grace))
        sockets = await each(people, AT_ONCE, lambda _: Socket.watching(hub.port, session))
        await at_rest(hub.pid)
        there = asyncio.Event()
        returning = [asyncio.create_task(_back(socket, hub.port, session, there)) for socket in sockets]
        same = {"HUB_PORT": str(hub.port)}
        began = time.perf_counter()
        await asyncio.to_thread(stack.close)
        ended = time.perf_counter() - began
        await asyncio.to_thread(stack.enter_context, servers.hub(folder, cores, stores, **grace, **same))
        opens = time.perf_counter() - began
        there.set()
        try:
            async with asyncio.timeout(COME_BACK_WITHIN):
                moments = await asyncio.gather(*returning)
        except TimeoutError:
            raise Wrong(f"not everybody was back after {COME_BACK_WITHIN:g} s") from None
        close(socket for _, socket in moments)
    last = max(at for at, _ in moments) - began
    seen.beside("come back: until all were", last, comeback.seconds(people, window, opens, cpu=CONNECT_US / 1e6), "s")
    seen.beside("come back: until a successor listened", opens, comeback.drained(people) + SUCCESSOR_SECONDS, "s")
    seen.rows.append((f"come back, ended after {ended:.1f} s", f"{people:,}", "1", "-", "-", "-"))


async def _back(socket: Socket, port: int, session: int, there: asyncio.Event) -> tuple[float, Socket]:
    """Wait until it is sent home, as long as it was told, and until somebody is there; when it watches again."""
    await socket.until(lambda: socket.close_code is not None, "the end")
    socket.transport.close()
    await asyncio.sleep(float((await socket.answer("drain"))["reconnectIn"]))
    await there.wait()
    again = await Socket.watching(port, session)
    return time.perf_counter(), again
