"""`python -m benchmarks.sizing`: what so many people need, reckoned from what the benchmarks measured.

The README has this table as it is printed here, and its figures from its own section "How fast": a test compares both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hub.machine import RESERVED_DESCRIPTORS

PEOPLE = (1_000, 10_000, 100_000)

# Measured on one machine by `idle`, `connect`, `fanout` (its most) and `bookings`: KB of 1,024 bytes, µs of CPU.
PROCESS_MB = 95.0
WATCHING_KB = 4.8
JOINED_KB = 8.4
CONNECT_US = 181.0
JOIN_US = 343.0
DELIVERY_US = 9.9
BOOKING_US = 227.0

# Assumed.
KERNEL_KB = 4.0
"""What the kernel keeps for an idle socket, beside the process."""
COUNTS_A_SECOND = 10.0
"""HUB_COUNT_INTERVAL_MS of 100: the most that a watcher is told while people stream in."""
CLASS = 50
STAY_SECONDS = 600.0
COME_BACK_SECONDS = {1_000: 5.0, 10_000: 5.0, 100_000: 30.0}
"""Half of HUB_LEAVE_GRACE_SECONDS, over which a stop spreads those who come back: 10, and 60 for the many."""
BUSY = 0.6
"""The share of a core that a process should be busy at most, so that nobody waits."""


@dataclass(frozen=True)
class Need:
    """What `people` need, in cores of this machine and MB."""

    people: int

    @property
    def one_audience(self) -> float:
        """Cores: all watch one session, which changes once a second."""
        return self.people * DELIVERY_US / 1e6

    @property
    def classes(self) -> float:
        """Cores: classes of 50, where each person comes and goes once in ten minutes, and all in it are told."""
        comings = self.people / STAY_SECONDS
        return comings * (CONNECT_US + JOIN_US + 2 * CLASS * DELIVERY_US) / 1e6

    @property
    def return_of_all(self) -> float:
        """Cores while all who joined come back after a restart."""
        return self.people * (CONNECT_US + JOIN_US) / 1e6 / COME_BACK_SECONDS[self.people]

    @property
    def processes(self) -> int:
        """So many that none is too busy while all come back, or while all watch one session."""
        return math.ceil(max(self.one_audience, self.return_of_all) / BUSY)

    def memory(self, each_kb: float) -> float:
        """MB of all processes."""
        return self.processes * PROCESS_MB + self.people * each_kb / 1024

    @property
    def descriptors(self) -> int:
        """`ulimit -n` of a process that can hold its share."""
        return math.ceil(self.people / self.processes) + RESERVED_DESCRIPTORS


def rows() -> Sequence[tuple[str, ...]]:
    """The table: what, and for each number of people how much."""
    needs = [Need(people) for people in PEOPLE]
    return (
        ("watchers, or people who joined", *(f"{people:,}" for people in PEOPLE)),
        ("memory, watching", *(f"{need.memory(WATCHING_KB):,.0f} MB" for need in needs)),
        ("memory, joined", *(f"{need.memory(JOINED_KB):,.0f} MB" for need in needs)),
        ("beside it, the kernel's (assumed)", *(f"{need.people * KERNEL_KB / 1024:,.0f} MB" for need in needs)),
        ("cores: all watch one session that changes once a second", *(_cores(need.one_audience) for need in needs)),
        ("cores: the same, ten times a second", *(_cores(need.one_audience * COUNTS_A_SECOND) for need in needs)),
        (f"cores: classes of {CLASS}, all come and go in ten minutes", *(_cores(need.classes) for need in needs)),
        (
            "cores: all who joined come back after a restart, within",
            *(f"{_cores(need.return_of_all)} ({COME_BACK_SECONDS[need.people]:.0f} s)" for need in needs),
        ),
        ("CPU: all book a seat at once", *(f"{need.people * BOOKING_US / 1e6:.2g} s" for need in needs)),
        ("processes (`HUB_WORKERS`)", *(f"{need.processes}" for need in needs)),
        ("file descriptors of each (`ulimit -n`)", *(f"{need.descriptors:,}" for need in needs)),
    )


def _cores(cores: float) -> str:
    return f"{cores:.2f}" if cores < 10 else f"{cores:.1f}"


def table() -> str:
    """The rows as Markdown."""
    head, *rest = rows()
    lines = [head, tuple("---" for _ in head), *rest]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    print(table())
