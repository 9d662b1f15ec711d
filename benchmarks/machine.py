"""The machine under the figures: which core serves, which one asks, and what a process has used."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("uvicorn", "starlette", "httptools", "uvloop", "SQLAlchemy")


def cores() -> list[int]:
    """The cores this process may use; empty where that can't be told."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Cores:
    """Server and client on a core each, so that the client's work is not taken for the server's."""

    def __init__(self) -> None:
        mine = cores()
        self.server: set[int] | None = {mine[0]} if len(mine) > 1 else None
        self.client: set[int] | None = {mine[-1]} if len(mine) > 1 else None

    def pin_client(self) -> None:
        """Put this very process on the client's core."""
        if self.client is not None:
            os.sched_setaffinity(0, self.client)

    @contextmanager
    def server_side(self) -> Iterator[None]:
        """A process that is started inside inherits the server's core."""
        if self.server is not None:
            os.sched_setaffinity(0, self.server)
        try:
            yield
        finally:
            self.pin_client()


def cpu_seconds(pid: int) -> float | None:
    """CPU time of a process with all its threads; None where there is no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    after_name = text.rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def many_descriptors() -> None:
    """A socket for each person: as many descriptors as are allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def facts(pinned: Cores) -> str:
    """What a reader must know to judge the figures."""
    pinning = (
        "server and client pinned to a core each" if pinned.server else "nothing is pinned: one core, or no way to"
    )
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, {pinning}; load average {load}\n{packages}"
    )
