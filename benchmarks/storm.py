"""Many people join one session within two seconds, all watching it: until everyone has the full count."""

from __future__ import annotations

import asyncio
import gc
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import seeding, servers, table
from benchmarks.bookings import end
from benchmarks.client import PATIENCE
from benchmarks.machine import Cores, Cost, Meter, at_rest, facts
from benchmarks.people import Person, go_home
from benchmarks.servers import Server, Stores, token
from benchmarks.sockets import Socket, each, number
from benchmarks.wrong import Wrong

PEOPLE = 2_000
SECONDS = 2.0
SIZES = (0.25, 0.5, 1, 2)
WARM = 50
FULL_WITHIN_MS = 1_000.0
MOST_FRAMES = 12
GROWTH = 1.0
LIVE = b'"live":'
HEADER = (
    "people",
    "joins took s",
    "ok p50 ms",
    "ok p99 ms",
    "full count ms",
    "most in 1 s",
    "frames each",
    "CPU µs a person",
    "server busy",
    "client busy",
)
NOTES = (
    "everyone is a `hub.client`, known and watching before; the joins are asked for evenly over the time.",
    "full count: from the last join's `ok` until everyone was told of all people, by the client's own loop; 0 when",
    "  they were told before that `ok` came.",
    "most in 1 s: the most `session` messages that any one socket got in any second, by a sliding window.",
    "CPU: the server's, from the first join until everyone has the full count, fan-out included.",
    "Rounds: times and CPU are medians, the count's delay and the most frames are the worst.",
)


@dataclass(frozen=True)
class Storm:
    """What one storm has shown. Seconds; `answered` is from a join's asking to its `ok`, sorted."""

    people: int
    joining: float
    answered: Sequence[float]
    full: float
    most: int
    frames: int
    cost: Cost

    @property
    def each(self) -> float:
        """The server's CPU seconds for one person."""
        return self.cost.each(self.people)


class Counts:
    """When each socket was told how many people are there."""

    def __init__(self, goal: int) -> None:
        self.arrivals: dict[Socket, list[float]] = {}
        self.full_at = 0.0
        self.everyone = asyncio.Event()
        self.there = 0
        self._goal = goal

    def heard(self, socket: Socket, payload: bytes) -> None:
        """One `session` message."""
        now = perf_counter()
        self.arrivals[socket].append(now)
        live = number(payload, LIVE)
        if live == self._goal and socket.newest != live:
            self.there += 1
            self.full_at = now
            if self.there == self._goal:
                self.everyone.set()
        socket.newest = live


async def run(
    folder: Path,
    stores: Stores,
    cores: Cores,
    people: int,
    seconds: float,
    at_once: int,
    rounds: int,
    say: Callable[[str], None],
) -> str:
    """The report: a storm of `people`, and of a quarter, half and twice as many, in turn."""
    sizes = sorted({max(1, round(people * part)) for part in SIZES})
    order = [min(WARM, people), *sizes * rounds]
    say(f"storm: {sum(order):,} confirmed seats")
    rooms = [[f"student-{turn}-{one}" for one in range(size)] for turn, size in enumerate(order)]
    sessions = await seeding.running_sessions(stores, rooms)
    storms: dict[int, list[Storm]] = {size: [] for size in sizes}
    with servers.hub(folder, cores, stores) as hub:
        for turn, (session, names) in enumerate(zip(sessions, rooms, strict=True)):
            say(f"storm {turn} of {len(order) - 1}: {len(names):,} people" if turn else "storm: a small one before")
            storm = await _storm(hub, session, names, seconds, at_once)
            if turn:
                storms[len(names)].append(storm)
    title = f"People join one session, evenly over {seconds:g} s, all watching it, {stores.kind}"
    rows = [_row(storms[size]) for size in sizes]
    verdicts = _verdicts([storms[size] for size in sizes], sizes.index(people))
    return table.report(title, facts(cores), rows, verdicts, *NOTES, header=HEADER)


async def _storm(hub: Server, session: int, names: Sequence[str], seconds: float, at_once: int) -> Storm:
    counts = Counts(len(names))
    people = await _watchers(hub, session, names, at_once)
    sockets = [person.wire for person in people]
    for socket in sockets:
        counts.arrivals[socket], socket.heard = [], counts.heard
    await at_rest(hub.pid)
    gc.collect()
    gc.freeze()  # thousands of sockets, which a collection under way would look through
    meter, began = Meter(hub.pid), perf_counter()
    oks = await _joins(people, session, seconds)
    try:
        async with asyncio.timeout(PATIENCE):
            await counts.everyone.wait()
    except TimeoutError:
        raise Wrong(f"{counts.there} of {len(names)} were told the full count") from None
    cost, last = meter.cost(), max(ok for _, ok in oks)
    for socket in sockets:
        socket.heard = None  # the session's end is not of the storm
    await asyncio.to_thread(end, hub, session, len(names))
    await go_home(people)
    return Storm(
        people=len(names),
        joining=last - began,
        answered=sorted(ok - asked for asked, ok in oks),
        full=max(0.0, counts.full_at - last),
        most=max(map(most_in_a_second, counts.arrivals.values())),
        frames=sum(map(len, counts.arrivals.values())),
        cost=cost,
    )


async def _watchers(hub: Server, session: int, names: Sequence[str], at_once: int) -> list[Person]:
    tokens = [token(name) for name in names]

    async def come(one: int) -> Person:
        return await Person.watching(hub.port, session, token=lambda: tokens[one])

    return await each(len(names), at_once, come)


async def _joins(people: Sequence[Person], session: int, seconds: float) -> list[tuple[float, float]]:
    """Let all join, evenly over `seconds`; when each asked, and had the `ok`."""

    async def join(person: Person) -> tuple[float, float]:
        asked = perf_counter()
        await person.hub.join(session)
        return asked, perf_counter()

    began, pace, joins = perf_counter(), seconds / len(people), []
    for turn, person in enumerate(people):
        delay = began + turn * pace - perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        joins.append(asyncio.create_task(join(person)))
    return await asyncio.gather(*joins)


def most_in_a_second(arrivals: Sequence[float]) -> int:
    """The most of these instants, in order, that lie within one second: [t, t + 1)."""
    return max((bisect_left(arrivals, at + 1.0) - turn for turn, at in enumerate(arrivals)), default=0)


def _row(storms: Sequence[Storm]) -> tuple[str, ...]:
    people = storms[0].people
    return (
        f"{people:,}",
        f"{median(storm.joining for storm in storms):.2f}",
        f"{median(table.at(storm.answered, 0.5) for storm in storms) * 1000:.1f}",
        f"{median(table.at(storm.answered, 0.99) for storm in storms) * 1000:.1f}",
        f"{max(storm.full for storm in storms) * 1000:.1f}",
        f"{max(storm.most for storm in storms)}",
        f"{median(storm.frames / people for storm in storms):.1f}",
        f"{median(storm.each for storm in storms) * 1e6:,.0f}",
        *table.busy([storm.cost for storm in storms]),
    )


def _verdicts(sizes: Sequence[Sequence[Storm]], main: int) -> list[table.Verdict]:
    few, storms, many = sizes[0], sizes[main], sizes[-1]
    people = storms[0].people
    naive = people * people  # all watch from the start
    frames = median(storm.frames for storm in storms)
    costs = [median(storm.each for storm in of_size) * 1e6 for of_size in (many, few)]
    return [
        table.at_most(
            f"{people:,}: last ok to full count", max(one.full for one in storms) * 1000, FULL_WITHIN_MS, "ms"
        ),
        table.at_most("  most `session` in a second", max(one.most for one in storms), MOST_FRAMES, "frames"),
        table.Verdict("  `session` messages", f"{frames:,.0f}", f"{naive:,} naive", frames / naive),
        table.ratio_at_most(
            f"CPU a person: {many[0].people:,} against {few[0].people:,}", costs[0], costs[1], GROWTH, "µs"
        ),
    ]
