"""This machine: file descriptors, cores, memory, and whether its clock can be right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from hub.checks.finding import CLOCK, DESCRIPTORS, MEMORY, WORKERS, Finding, green, red, yellow
from hub.machine import RESERVED_DESCRIPTORS, cores, memory, most_descriptors
from hub.settings import Settings

FEW_SOCKETS = 1_000
SOCKET_BYTES = 12_000
"""Of a person who has joined, at most (`python -m benchmarks idle`)."""
PROCESS_BYTES = 100_000_000
NO_EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
"""Before this there was no such program."""


def look(settings: Settings, now: datetime) -> Iterator[Finding]:
    """What is to be said of it; `now` by its own clock."""
    yield descriptors(settings.max_connections, most_descriptors())
    yield workers(settings.workers, cores())
    room = memory()
    if room is not None:
        sockets = settings.max_connections or max(1, most_descriptors() - RESERVED_DESCRIPTORS)
        yield enough_memory(sockets, settings.workers, room)
    if now < NO_EARLIER:
        yield red(CLOCK, f"this machine says it is {now:%Y-%m-%d}", "set its clock, by NTP")


def descriptors(wanted: int | None, most: int) -> Finding:
    """Whether `most` are enough for `wanted` sockets (None: as many as it goes)."""
    needs = f"set `ulimit -n` (systemd: LimitNOFILE) to {(wanted or FEW_SOCKETS) + RESERVED_DESCRIPTORS} or more"
    room = most - RESERVED_DESCRIPTORS
    if wanted is not None and wanted > room:
        said = f"{most} a process, with {RESERVED_DESCRIPTORS} for itself, and HUB_MAX_CONNECTIONS is {wanted}"
        return red(DESCRIPTORS, said, f"{needs}, or HUB_MAX_CONNECTIONS to {max(1, room)}")
    if room < FEW_SOCKETS and wanted is None:
        return yellow(DESCRIPTORS, f"{most} a process: it takes {max(1, room)} sockets, and refuses more", needs)
    return green(DESCRIPTORS, f"{most} a process, enough for {wanted or room} sockets")


def workers(count: int, cores: int) -> Finding:
    """Whether as many processes have cores of their own."""
    if count > cores:
        said = f"{count} processes on {cores} cores take turns"
        return yellow(WORKERS, said, f"set HUB_WORKERS to {cores} or less, or take a machine with more cores")
    return green(WORKERS, f"{count} of {cores} cores")


def enough_memory(sockets: int, workers: int, room: int) -> Finding:
    """Whether as many sockets of each process fit into `room` bytes."""
    needs = workers * (PROCESS_BYTES + sockets * SOCKET_BYTES)
    said = f"{sockets * workers} sockets take up to {needs / 2**30:.1f} GiB, of {room / 2**30:.1f} GiB"
    if needs > room:
        fits = max(1, int(room / workers - PROCESS_BYTES) // SOCKET_BYTES)
        return yellow(
            MEMORY, said, f"set HUB_MAX_CONNECTIONS to {fits} or less, so that more are refused and none is lost"
        )
    return green(MEMORY, said)
