"""Several `hub serve` on one PostgreSQL and one Redis: each a process that can be killed, frozen and told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.checker import Log, findings
from tests.faults.people import Guest, Host, crowd
from tests.processes import await_states, free_port
from tests.running import PATIENCE, Running, kill, spawn, token
from tests.storm import storm, tally
from tests.tables import ask

LONG = os.environ.get("HUB_TEST_LONG") == "1"
SERVE = ("-m", "hub", "serve")
SWEEP = 1.0
"""Seconds between two sweeps of the reaper."""
SLACK = 0.5
"""Seconds that a beat may be late on a busy machine."""


@dataclass
class Nodes:
    """The processes of one installation, and what is known of those who visit them."""

    where: str
    redis: str
    folder: Path
    lease: float = 15.0
    grace: float = 10.0
    interval: int = 100
    log: Log = field(default_factory=Log)
    started: list[Running] = field(default_factory=list)
    _count: int = 0

    @property
    def beat(self) -> float:
        """Seconds between two beats of a lease."""
        return self.lease / 3

    @property
    def patience(self) -> dict[str, float]:
        """After how many seconds of silence a process must have been reaped."""
        return {"alive": self.lease + SWEEP + SLACK, "draining": self.grace + SWEEP + SLACK}

    async def start(self, port: int | None = None, command: Sequence[str] = SERVE, **environment: str) -> Running:
        """One more process, ready."""
        home = self.folder / f"node-{self._count}"
        self._count += 1
        home.mkdir()
        limits = dict.fromkeys(("HUB_MAX_CONNECTIONS_PER_ADDRESS", "HUB_MAX_CONNECTIONS_PER_PERSON"), "off")
        settings = {
            "HUB_REDIS_URL": self.redis,
            "HUB_LEASE_SECONDS": str(self.lease),
            "HUB_LEAVE_GRACE_SECONDS": str(self.grace),
            "HUB_COUNT_INTERVAL_MS": str(self.interval),
        }
        node = await spawn(home, port or free_port(), self.where, command, **limits, **settings, **environment)
        self.started.append(node)
        return node

    async def furnish(self, people: Iterable[str]) -> int:
        """A session of any size, with a seat for each of them; its id."""
        node = self.started[-1]
        session: int = (await node.create(rosterVisibility="host"))["id"]
        seats = [("POST", f"/{session}/book", token(person)) for person in people]
        assert tally(await storm(node.port, seats)) == {"201": len(seats)}
        return session

    async def host(self, node: Running, session: int, name: str = "the host") -> Host:
        """The session's expert, who looks on at this node."""
        return await Host(self.log, session, name).watch(node.port)

    async def guests(self, node: Running, session: int, people: Iterable[str]) -> list[Guest]:
        """Those people, joined at this node with one socket each, and never with two at a time."""
        people = list(people)
        self.log.alone.update(people)
        return await crowd(Guest(self.log, session, person).join(node.port) for person in people)

    def findings(self) -> list[str]:
        """What is wrong now."""
        return findings(self.where, self.log, self.patience)

    async def until_well(self, seconds: float = PATIENCE) -> list[str]:
        """What is wrong, as soon as nothing is or after `seconds`: what is under way needs a moment."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            wrong = self.findings()
            if not wrong or asyncio.get_running_loop().time() > deadline:
                return wrong
            await asyncio.sleep(0.1)


def pid(node: Running) -> int:
    """The id of its process."""
    assert node.process is not None
    return node.process.pid


async def freeze(node: Running) -> None:
    """SIGSTOP, and wait until it stands."""
    os.kill(pid(node), signal.SIGSTOP)
    await asyncio.to_thread(await_states, [pid(node)], "T")


def thaw(node: Running) -> None:
    """SIGCONT."""
    os.kill(pid(node), signal.SIGCONT)


def under(where: str, node_id: str) -> list[tuple[object, ...]]:
    """Every visit recorded under a lease, whole."""
    return ask(where, "SELECT * FROM session_participants WHERE node_id = ? ORDER BY id", node_id)


def lease_of(where: str, visit: str) -> str:
    """The lease that a visit was recorded under."""
    (node_id,) = ask(where, "SELECT node_id FROM session_participants WHERE id = ?", visit)
    return str(node_id)


@asynccontextmanager
async def together(nodes: Nodes) -> AsyncIterator[None]:
    """Whatever is started meanwhile is killed in the end."""
    try:
        yield
    finally:
        for node in nodes.started:
            await kill(node)


@asynccontextmanager
async def two(nodes: Nodes, command: Sequence[str] = SERVE) -> AsyncIterator[tuple[Running, Running]]:
    """Two of them, until the end."""
    async with together(nodes):
        async with asyncio.TaskGroup() as starting:  # if one fails, the other is not left behind
            first, second = (starting.create_task(nodes.start(command=command)) for _ in range(2))
        yield first.result(), second.result()
