"""One reader who stops reading, among many who do not: what it costs the server, and the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks import seeding, servers, table
from benchmarks.audience import Audience, Delivered, back_and_forth
from benchmarks.machine import KB, Cores, at_rest, facts, resident
from benchmarks.servers import Server, Stores
from benchmarks.sleeper import Sleeper
from benchmarks.sockets import close

WATCHERS = 1_000
SECONDS = 60.0
RATE = 20.0
INTERVAL_MS = "40"
"""Less than lies between two of twenty changes a second: each is told at once, and waits for none before it."""
MB = KB * KB
GROWTH_MB = 2.0
P99 = 1.5
LOOKS = 10
HEADER = ("", "changes", "frames each", "bytes each", "p50 ms", "p99 ms", "grown MB", "server busy", "client busy")
NOTES = (
    "each change is a seat taken or given back. without: everyone reads. with: the same, and one more who watches and",
    "  then reads nothing until the end. First it asked for answers, unread, until the kernel had no room for more.",
    "grown: the server's resident size from the beginning to the end of a turn; the verdict, from the end of `without`",
    "  to the end of `with`.",
    "delivery: from before a change is asked for until a watcher has a frame that holds it, through the client's loop.",
    "held or left out: bytes that each other watcher was sent, less what the kernel took for the slow one.",
)


@dataclass(frozen=True)
class Turn:
    """What came to those who read, frames and bytes of each, and the server's size before and after in bytes."""

    delivered: Delivered
    frames_each: float
    bytes_each: float
    before: int
    after: int

    def row(self, name: str) -> tuple[str, ...]:
        """Its line in the table."""
        told = self.delivered
        return (
            name,
            f"{told.changes:,}",
            f"{self.frames_each:,.0f}",
            f"{self.bytes_each:,.0f}",
            f"{told.milliseconds(0.5):.1f}",
            f"{told.milliseconds(0.99):.1f}",
            f"{(self.after - self.before) / MB:.2f}",
            *table.busy([told.cost]),
        )


@dataclass(frozen=True)
class Awake:
    """What the slow one got when it read again, and how it came to the newest state, if it did."""

    frames: int
    received: int
    closed: str | None
    right: bool


async def run(
    folder: Path,
    stores: Stores,
    cores: Cores,
    watchers: int,
    seconds: float,
    rate: float,
    say: Callable[[str], None],
) -> str:
    """The report."""
    count, audience = max(1, round(seconds * rate)), Audience()
    (session,) = await seeding.running_sessions(stores, [[]])
    with servers.hub(folder, cores, stores, HUB_COUNT_INTERVAL_MS=INTERVAL_MS) as hub:
        say(f"slow: {watchers:,} watchers")
        await audience.gather(hub.port, watchers, session)
        requests, pause = back_and_forth(session), seconds / LOOKS
        async with _again(pause, lambda: say(f"slow, without: {audience.asked:,} of {count:,} changes")):
            without = await _turn(hub, audience, list(islice(requests, count)), rate)
        sleeper = Sleeper(hub.port, session)
        await sleeper.fall_asleep()
        async with (
            _again(pause, lambda: say(f"slow, with: {audience.asked:,} of {count:,} changes")),
            _again(pause, sleeper.look),
        ):
            having = await _turn(hub, audience, list(islice(requests, count)), rate)
        sleeper.look()
        say("slow: it reads again")
        awake = await _wake(sleeper, audience.revision)
        close([*audience.sockets, sleeper.socket])
    title = f"{count} changes at {rate:g} a second, told to {watchers:,} watchers and a slow one, {stores.kind}"
    rows = [without.row("without"), having.row("with")]
    verdicts = _verdicts(without, having, sleeper, awake)
    return table.report(title, facts(cores), rows, verdicts, _seen(sleeper, awake), *NOTES, header=HEADER)


@asynccontextmanager
async def _again(pause: float, work: Callable[[], None]) -> AsyncIterator[None]:
    """`work` again and again meanwhile, `pause` seconds apart; what it raises is raised."""

    async def forever() -> None:
        while True:
            await asyncio.sleep(pause)
            work()

    task = asyncio.create_task(forever())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _turn(hub: Server, audience: Audience, requests: Sequence[bytes], rate: float) -> Turn:
    await at_rest(hub.pid)
    before = resident(hub.pid)
    for socket in audience.sockets:
        socket.received = 0
    delivered = await audience.turn(hub, requests, rate, 2)
    after, watchers = resident(hub.pid), len(audience.sockets)
    received = sum(socket.received for socket in audience.sockets)
    return Turn(delivered, delivered.frames / watchers, received / watchers, before, after)


async def _wake(sleeper: Sleeper, revision: int) -> Awake:
    right = await sleeper.wake(revision)
    slow = sleeper.socket
    frames, received = sleeper.frames, sleeper.size
    if not slow.over:
        return Awake(frames, received, None, right)
    how = "without a word" if slow.close_code is None else f"with {slow.close_code}"
    return Awake(frames, received, how, await sleeper.come_back(revision))


def _verdicts(without: Turn, having: Turn, sleeper: Sleeper, awake: Awake) -> list[table.Verdict]:
    taken = sleeper.backlog.taken
    came = "has the newest state" if awake.closed is None else f"closed {awake.closed}, has it again"
    first = (without.after - without.before) / MB
    return [
        table.at_most("grown until the end of the turn", (having.after - without.after) / MB, GROWTH_MB, "MB", first),
        table.ratio_at_most(
            "the others: change to delivery, p99",
            having.delivered.milliseconds(0.99),
            without.delivered.milliseconds(0.99),
            P99,
            "ms",
        ),
        table.Verdict("the slow one, awake", came if awake.right else "WRONG STATE", target="newest", met=awake.right),
        _against("  frames it had missed and got", awake.frames, having.frames_each),
        _against("  bytes", awake.received, having.bytes_each),
        _against("  bytes that the kernel took", taken, having.bytes_each),
        table.Verdict("  held or left out by the hub", f"{max(0.0, having.bytes_each - taken):,.0f} bytes"),
    ]


def _against(what: str, count: int, others: float) -> table.Verdict:
    return table.Verdict(what, f"{count:,}", f"{others:,.0f} each other", table.over(count, others))


def _seen(sleeper: Sleeper, awake: Awake) -> str:
    """What became of the connection, in words."""
    backlog = sleeper.backlog
    kernel = f"\n  {backlog.filled:,} bytes lay in the kernel when it fell asleep, {backlog.most:,} at the most."
    if backlog.gone is not None:
        return f"SEEN: the hub ended the connection, noticed after {backlog.gone:.1f} s.{kernel}"
    if awake.closed is not None:
        return f"SEEN: the connection was closed {awake.closed} when it read again.{kernel}"
    return f"SEEN: the connection stood the whole time.{kernel}"
