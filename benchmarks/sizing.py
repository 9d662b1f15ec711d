"""`python -m benchmarks.sizing`: what so many people need and what breaks first, reckoned from what was measured.

The README has both tables as they are printed here: a test compares. `python -m benchmarks scale` holds the same
functions against a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks import comeback
from benchmarks.constants import (
    BOOKING_US,
    COMMITTED_A_SECOND,
    CONNECT_US,
    DELIVERY_US,
    GROUP_SECONDS,
    HEAR_US,
    JOIN_US,
    JOINED_KB,
    KERNEL_KB,
    MORE_SECONDS,
    ONE_SESSION_A_SECOND,
    PACKET_BYTES,
    PROCESS_MB,
    RESTING_TRANSACTIONS,
    STATE_BYTES,
    SUCCESSOR_SECONDS,
    TELL_US,
    WATCHING_KB,
)
from hub.machine import RESERVED_DESCRIPTORS

PEOPLE = (10_000, 100_000, 1_000_000)
SLOW_MS = 1_000
BUSY = 0.6
"""The share of a core that a process should be busy at most, so that nobody waits."""
SOCKETS_EACH = 50_000
"""That a process holds at most: no more are sent home by one that ends. Assumed."""
STORM_SECONDS = 60.0
WINDOW_SECONDS = 5.0
"""Half of HUB_LEAVE_GRACE_SECONDS, over which a stop spreads those who come back."""

# What others have, where nobody changed it.
POSTGRES_CONNECTIONS, CONNECTIONS_EACH = 97, 7
LINK_BYTES = 1e9 / 8
REDIS_A_SECOND = 100_000.0
"""Messages that one Redis may be asked to hand out; assumed."""


@dataclass(frozen=True)
class Mix:
    """Who watches what: so many people in a session (None: all in one), who come, stay, go, and are told of the others.

    `frames`: to each of them for a change; in a class everyone is also told who it was.
    """

    name: str
    audience: int | None
    stay_seconds: float = 3_600.0
    frames: int = 1


WEBINAR = Mix("webinar", None)
CLASSES = Mix("classes of 30", 30, frames=2)


@dataclass(frozen=True)
class Need:
    """What `people` need who have joined, in cores of that machine, MB, bytes and messages a second."""

    people: int
    mix: Mix = WEBINAR
    interval_ms: int = 100

    @property
    def changes(self) -> float:
        """Comings and goings a second, in all sessions."""
        return 2 * self.people / self.mix.stay_seconds

    @property
    def deliveries(self) -> float:
        """Messages to watchers a second. What changes within the interval is told at once."""
        audience = self.mix.audience or self.people
        of_one = 2 * audience / self.mix.stay_seconds
        return self.people * min(of_one, 1_000 / self.interval_ms) * self.mix.frames

    @property
    def alone(self) -> float:
        """Cores, but for what many processes tell each other. A leave is taken to cost what a join does."""
        comings = self.changes / 2
        return (self.deliveries * DELIVERY_US + comings * (CONNECT_US + 2 * JOIN_US)) / 1e6

    @property
    def processes(self) -> int:
        """So many that none is too busy, and none holds too many."""
        count = math.ceil(self.people / SOCKETS_EACH)
        while self.cores_of(count) > count * BUSY:
            count = max(count + 1, math.ceil(self.cores_of(count) / BUSY))
        return count

    def hearing(self, processes: int) -> float:
        """Processes that hear of a change: those where somebody follows its session."""
        audience = self.mix.audience or self.people
        return processes * (1 - (1 - 1 / processes) ** audience) if processes > 1 else 0.0

    def cores_of(self, processes: int) -> float:
        """Cores of so many processes together."""
        bus = self.changes * (TELL_US + self.hearing(processes) * HEAR_US) / 1e6 if processes > 1 else 0.0
        return self.alone + bus

    @property
    def cores(self) -> float:
        """Cores in all."""
        return self.cores_of(self.processes)

    def megabytes(self, each_kb: float) -> float:
        """Of all processes, where each person's socket takes so much."""
        return self.processes * PROCESS_MB + self.people * each_kb / 1024

    @property
    def egress(self) -> float:
        """Bytes a second to watchers, without TLS."""
        return self.deliveries * (STATE_BYTES + PACKET_BYTES)

    @property
    def announced(self) -> float:
        """Messages a second that Redis hands out; none for one process."""
        processes = self.processes
        return self.changes * self.hearing(processes) + processes if processes > 1 else 0.0

    @property
    def transactions(self) -> float:
        """Of PostgreSQL a second. Changes that come while one is committed go together in the next."""
        each = self.changes / self.processes
        together = max(1.0, each * GROUP_SECONDS / max(0.05, 1 - each * MORE_SECONDS))
        return self.processes * (each / together + RESTING_TRANSACTIONS)

    @property
    def descriptors(self) -> int:
        """`ulimit -n` of a process that can hold its share."""
        return math.ceil(self.people / self.processes) + RESERVED_DESCRIPTORS

    def storm(self, seconds: float = STORM_SECONDS) -> float:
        """Seconds until all have joined, who come evenly over so many, in as many processes."""
        sessions = 1 if self.mix.audience is None else self.people / self.mix.audience
        stored = self.people / min(COMMITTED_A_SECOND, sessions * ONE_SESSION_A_SECOND)
        told = (SLOW_MS / self.interval_ms) * self.people / 2 * DELIVERY_US / 1e6 if sessions == 1 else 0.0
        served = (self.people * (CONNECT_US + JOIN_US) / 1e6 + told * seconds) / self.processes
        return max(seconds, stored, served)

    def back(self, *, joined: bool) -> float:
        """Seconds until all are back after a restart of all processes at once."""
        share = math.ceil(self.people / self.processes)
        cpu = (CONNECT_US + (JOIN_US if joined else 0.0)) / 1e6
        store = self.processes / COMMITTED_A_SECOND if joined else 0.0
        opens = comeback.drained(share) + SUCCESSOR_SECONDS
        return comeback.seconds(share, WINDOW_SECONDS, opens, cpu=cpu, store=store)


@dataclass(frozen=True)
class Limit:
    """Something of which there is only so much: 1 is all of it."""

    what: str
    used: Callable[[int], float]
    mend: str

    def people(self) -> int:
        """How many use all of it up; above a thousand million, nobody will."""
        few, many = 1, 1
        while self.used(many) < 1 and many < 2**30:
            few, many = many, 2 * many
        while many - few > max(1, few // 1000):
            middle = (few + many) // 2
            few, many = (few, middle) if self.used(middle) >= 1 else (middle, many)
        return many


LIMITS = (
    Limit("webinar: one process's core, 60 % of it", lambda n: Need(n).alone / BUSY, "`--workers`, PostgreSQL, Redis"),
    Limit("webinar: a link of 1 Gbit/s", lambda n: Need(n).egress / LINK_BYTES, "`HUB_COUNT_INTERVAL_MS=1000`"),
    Limit(
        "webinar: PostgreSQL's 100 connections, 7 a process",
        lambda n: Need(n).processes * CONNECTIONS_EACH / POSTGRES_CONNECTIONS,
        "the interval; then raise `max_connections`",
    ),
    Limit(
        f"webinar, all within {STORM_SECONDS:.0f} s: changes of one session",
        lambda n: n / STORM_SECONDS / ONE_SESSION_A_SECOND,
        "they wait, or get 503 and come again: open the doors early",
    ),
    Limit(
        f"classes, all within {STORM_SECONDS:.0f} s: PostgreSQL's commits",
        lambda n: n / STORM_SECONDS / COMMITTED_A_SECOND,
        "a database with cores of its own",
    ),
    Limit(
        "webinar, one interval of 1,000 ms: PostgreSQL's connections",
        lambda n: Need(n, interval_ms=SLOW_MS).processes * CONNECTIONS_EACH / POSTGRES_CONNECTIONS,
        "raise `max_connections`",
    ),
    Limit("classes: one process's core, 60 % of it", lambda n: Need(n, CLASSES).alone / BUSY, "`--workers`"),
    Limit(
        "webinar, one interval of 1,000 ms: Redis, 100,000 messages a second (assumed)",
        lambda n: Need(n, interval_ms=SLOW_MS).announced / REDIS_A_SECOND,
        "Redis Cluster, which spreads sessions",
    ),
    Limit(
        "steady comings and goings: PostgreSQL's commits",
        lambda n: Need(n).changes / COMMITTED_A_SECOND,
        "a second installation",
    ),
)


def rows() -> Sequence[tuple[str, ...]]:
    """The table: what, and for each number of people how much."""
    fast, classes = [Need(people) for people in PEOPLE], [Need(people, CLASSES) for people in PEOPLE]
    slow = [replace(need, interval_ms=SLOW_MS) for need in fast]

    def row(what: str, needs: Sequence[Need], told: Callable[[Need], str]) -> tuple[str, ...]:
        return what, *(told(need) for need in needs)

    return (
        ("people who have joined", *(f"{people:,}" for people in PEOPLE)),
        row("a webinar: one session, everyone stays an hour. Changes a second", fast, lambda n: f"{n.changes:,.0f}"),
        row("cores, and processes: counts every 100 ms", fast, _cores),
        row("cores, and processes: counts every second", slow, _cores),
        row("network out: every 100 ms", fast, _egress),
        row("network out: every second", slow, _egress),
        row("memory of the processes, every second", slow, lambda n: _size(n.megabytes(JOINED_KB))),
        row("the same, if all only watch", slow, lambda n: _size(n.megabytes(WATCHING_KB))),
        row("beside it, the kernel's for sockets", slow, lambda n: _size(n.people * KERNEL_KB / 1024)),
        row("file descriptors of a process (`ulimit -n`)", slow, lambda n: f"{n.descriptors:,}"),
        row("Redis hands out, every second", slow, lambda n: f"{n.announced:,.0f}/s"),
        row("PostgreSQL commits, every second", slow, lambda n: f"{n.transactions:,.0f}/s"),
        row("classes of 30: cores, and processes", classes, _cores),
        row("classes of 30: Redis hands out", classes, lambda n: f"{n.announced:,.0f}/s"),
        row("classes of 30: PostgreSQL commits", classes, lambda n: f"{n.transactions:,.0f}/s"),
        row("CPU: all book a seat at once", fast, lambda n: f"{n.people * BOOKING_US / 1e6:,.0f} s"),
        row(f"all join within {STORM_SECONDS:.0f} s: one session", slow, lambda n: f"{n.storm():,.0f} s"),
        row(f"all join within {STORM_SECONDS:.0f} s: classes", classes, lambda n: f"{n.storm():,.0f} s"),
        row("all restart at once: until all watch again", slow, lambda n: f"{n.back(joined=False):,.0f} s"),
        row("until all have joined again", slow, lambda n: f"{n.back(joined=True):,.0f} s"),
    )


def _cores(need: Need) -> str:
    return f"{need.cores:.{2 if need.cores < 10 else 1}f} in {need.processes}"


def _egress(need: Need) -> str:
    return f"{need.egress * 8 / 1e6:,.0f} Mbit/s"


def _size(megabytes: float) -> str:
    return f"{megabytes:,.0f} MB" if megabytes < 10_000 else f"{megabytes / 1024:,.1f} GB"


def breaks() -> Sequence[tuple[str, str, str]]:
    """What runs out, at how many people, and what helps: the first first."""
    found = sorted((limit.people(), limit) for limit in LIMITS)
    return [
        ("what runs out", "at people", "what helps"),
        *((limit.what, f"{round(people, 2 - len(str(people))):,}", limit.mend) for people, limit in found),
    ]


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Rows as a table."""
    head, *rest = lines
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rest))


if __name__ == "__main__":
    print(markdown(rows()), markdown(breaks()), sep="\n\n")
