"""What the machine gives a process: file descriptors, cores, memory. Limits of its own are raised, nothing else is."""

from __future__ import annotations

import os
import resource
from pathlib import Path

RESERVED_DESCRIPTORS = 96
"""File descriptors kept for the database, the bus, and the connections that are no sockets (`caller.SPARE`)."""
ENDLESS = 1_000_000
"""Descriptors where nothing limits them."""
CGROUP = Path("/sys/fs/cgroup/memory.max")
MEMINFO = Path("/proc/meminfo")


def most_descriptors() -> int:
    """How many file descriptors a process may have once it has raised its own limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return ENDLESS if hard == resource.RLIM_INFINITY else hard


def sockets_possible() -> int:
    """How many sockets that leaves, beside what else a process opens."""
    return max(1, most_descriptors() - RESERVED_DESCRIPTORS)


def raise_descriptors() -> None:
    """Allow this process all that it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def cores() -> int:
    """On how many this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int | None:
    """The bytes of memory that this process and its neighbours may have in all; None where nobody says."""
    found = [size for size in (_physical(), _allowed()) if size is not None]
    return min(found, default=None)


def _physical() -> int | None:
    if not MEMINFO.exists():
        return None
    return int(MEMINFO.read_text().split()[1]) * 1024


def _allowed() -> int | None:
    said = CGROUP.read_text().strip() if CGROUP.exists() else "max"
    return int(said) if said.isdigit() else None
