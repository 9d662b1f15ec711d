"""The machine under the figures: which core serves, which one asks, and what a process has used."""

from __future__ import annotations

import asyncio
import math
import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.wrong import Wrong

PACKAGES = ("uvicorn", "starlette", "httptools", "uvloop", "SQLAlchemy")
TICK = 1 / os.sysconf("SC_CLK_TCK")
KB = 1024

QUIET = 0.02
"""The share of a moment that a server may be busy with itself and count as at rest."""
MOMENT = 0.15
QUIET_WITHIN = 10.0


def cores() -> list[int]:
    """The cores this process may use; empty where that can't be told."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Cores:
    """Server and client on a core each, so that the client's work is not taken for the server's."""

    def __init__(self) -> None:
        mine = cores()
        self._all = set(mine)
        self.server: set[int] | None = {mine[0]} if len(mine) > 1 else None
        self.client: set[int] | None = {mine[-1]} if len(mine) > 1 else None

    def pin_client(self) -> None:
        """Put this very process on the client's core."""
        if self.client is not None:
            os.sched_setaffinity(0, self.client)

    def server_side(self) -> AbstractContextManager[None]:
        """A process that is started inside inherits the server's core."""
        return self._inherited(self.server)

    def everywhere(self) -> AbstractContextManager[None]:
        """A process that is started inside may use every core: what people look with is not ours to hold back."""
        return self._inherited(self._all)

    @contextmanager
    def _inherited(self, wanted: set[int] | None) -> Iterator[None]:
        if self.server is not None and wanted is not None:
            os.sched_setaffinity(0, wanted)
        try:
            yield
        finally:
            self.pin_client()


@dataclass(frozen=True)
class Cost:
    """A stretch of time in seconds: of the clock, of the server's CPU (None where that can't be read), of this CPU."""

    seconds: float
    server: float | None
    client: float

    @property
    def busy(self) -> tuple[float, float]:
        """The shares of the time that server and client worked; not a number where that can't be read."""
        return (math.nan if self.server is None else self.server / self.seconds), self.client / self.seconds

    def each(self, count: int) -> float:
        """The server's CPU seconds for one of `count`; raises `Wrong` where they can't be read."""
        if self.server is None:
            raise Wrong("this needs the CPU time of another process, which only Linux's /proc tells")
        return self.server / max(1, count)


class Meter:
    """What a process with all its threads, and this one, use from now on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = _used(pid)
        self._client = time.process_time()
        self._began = time.perf_counter()

    def cost(self) -> Cost:
        """What it was until now."""
        seconds, client, now = time.perf_counter() - self._began, time.process_time() - self._client, _used(self._pid)
        if self._before is None or now is None:
            return Cost(seconds, None, client)
        ticks = now[0] - self._before[0]
        threads = sum(used - self._before[1].get(thread, 0.0) for thread, used in now[1].items())
        # Exact, but a thread that ended took its part with it: then the ticks, which know of it and are coarse.
        return Cost(seconds, ticks if ticks - threads > 3 * TICK else threads, client)


def _used(pid: int) -> tuple[float, dict[str, float]] | None:
    """CPU seconds of a process in ticks, those that ended included, and of each thread to the nanosecond."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return None
    after_name = text.rpartition(")")[2].split()
    threads = {}
    for task in tasks:
        try:
            threads[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:  # it ended just now, or this kernel has no schedstat
            continue
    return (int(after_name[11]) + int(after_name[12])) * TICK, threads


def resident(pid: int) -> int:
    """Bytes of a process that are in memory (VmRSS); raises `Wrong` where they can't be read."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        raise Wrong("this needs the resident size of another process, which only Linux's /proc tells") from None
    return next(int(line.split()[1]) * KB for line in lines if line.startswith("VmRSS:"))


async def at_rest(pid: int) -> None:
    """Wait until a process has done what it was about: nearly no CPU, and the same size; ten seconds at most."""
    deadline = time.monotonic() + QUIET_WITHIN
    while time.monotonic() < deadline:
        meter, size = Meter(pid), resident(pid)
        await asyncio.sleep(MOMENT)
        if meter.cost().each(1) < QUIET * MOMENT and resident(pid) == size:
            return


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
