"""One session's changes told to many watchers, against a bare server that writes one ready frame to as many."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median

from benchmarks import seeding, servers, table
from benchmarks.audience import Audience, Delivered, back_and_forth, changes
from benchmarks.client import request
from benchmarks.machine import Cores, Cost, at_rest, facts
from benchmarks.servers import Server, Stores
from benchmarks.sockets import close
from benchmarks.wrong import Wrong

WATCHERS = 2_000
SECONDS = 5.0
RATE = 10.0
TARGET = 1.25
HEADER = ("", "frames", "per second", "p50 ms", "p99 ms", "CPU µs a frame", "server busy", "client busy")
NOTES = (
    "bare: holds as many sockets and, on command, writes a ready frame of the hub's size to each by `transport.write`.",
    "hub: each change is a seat taken or given back: HTTP, ledger, database, encoding and fan-out. All sockets of both",
    "  servers are there all the time, and watch one session. Bare and hub take turns.",
    "CPU of a delivery: the server's CPU from the first change until everyone has the last one, over the frames that",
    "  came, and all that the changes cost included. The delivery alone: less the CPU of as many changes of a session",
    "  that nobody watches, at the same rate.",
    "delivery: from before the change is asked for until a watcher has a frame that holds it, through the client's own",
    "  loop; counts are coalesced (HUB_COUNT_INTERVAL_MS), so a change may wait for that interval.",
)


@dataclass
class Turns:
    """The turns of each kind."""

    bare: list[Delivered] = field(default_factory=list)
    hub: list[Delivered] = field(default_factory=list)
    unwatched: list[Cost] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """Both servers with their watchers, and the hub's two sessions."""

    bare: Server
    hub: Server
    bare_watchers: Audience
    hub_watchers: Audience
    watched: Iterator[bytes]
    """Requests that change the session that they watch."""
    unwatched: Iterator[bytes]


async def run(
    folder: Path,
    stores: Stores,
    cores: Cores,
    watchers: int,
    seconds: float,
    rate: float,
    rounds: int,
    say: Callable[[str], None],
) -> str:
    """The report. Turns alternate: bare, hub, bare, hub, bare."""
    turns, count = Turns(), max(1, round(seconds * rate))
    watched, unwatched = await seeding.running_sessions(stores, [[], []])
    with servers.bare(folder, cores) as bare, servers.hub(folder, cores, stores) as hub:
        stage = Stage(bare, hub, Audience(), Audience(), back_and_forth(watched), back_and_forth(unwatched))
        say(f"fanout: {watchers:,} sockets to each server")
        await stage.bare_watchers.gather(bare.port, watchers, None)
        await stage.hub_watchers.gather(hub.port, watchers, watched)
        for number in range(rounds):
            say(f"fanout, round {number + 1} of {rounds}: bare")
            await _bare(turns, stage, count, rate)
            say(f"fanout, round {number + 1} of {rounds}: hub, watched and unwatched")
            await _hub(turns, stage, count, rate)
        await _bare(turns, stage, count, rate)
        close([*stage.bare_watchers.sockets, *stage.hub_watchers.sockets])
    title = f"{count} changes at {rate:g} a second, told to {watchers:,} watchers, {stores.kind}"
    rows = [_row("bare", turns.bare), _row("hub", turns.hub)]
    return table.report(title, facts(cores), rows, _verdicts(turns, count), *NOTES, header=HEADER)


def ready(revision: int, size: int) -> bytes:
    """A server's frame, for the bare server to write: `size` bytes of payload that a watcher takes for a state."""
    start = b'{"type":"session","revision":%d,"fill":"' % revision
    payload = start + b"-" * (size - len(start) - 2) + b'"}'
    if not 126 <= len(payload) == size < 65_536:
        raise Wrong(f"a state of {size} bytes can't be imitated")
    return struct.pack("!BBH", 0x81, 126, size) + payload


async def _bare(turns: Turns, stage: Stage, count: int, rate: float) -> None:
    await at_rest(stage.bare.pid)
    first, size = stage.bare_watchers.revision, stage.hub_watchers.size
    requests = [request("POST", "/", body=ready(first + number, size)) for number in range(1, count + 1)]
    turns.bare.append(await stage.bare_watchers.turn(stage.bare, requests, rate, 200))


async def _hub(turns: Turns, stage: Stage, count: int, rate: float) -> None:
    await at_rest(stage.hub.pid)
    turns.hub.append(await stage.hub_watchers.turn(stage.hub, list(islice(stage.watched, count)), rate, 2))
    await at_rest(stage.hub.pid)
    turns.unwatched.append(await changes(stage.hub, islice(stage.unwatched, count), count / rate, rate, 2))


def _row(name: str, turns: Sequence[Delivered]) -> tuple[str, ...]:
    return (
        name,
        f"{sum(turn.frames for turn in turns):,}",
        f"{median(turn.frames / turn.cost.seconds for turn in turns):,.0f}",
        f"{median(turn.milliseconds(0.5) for turn in turns):.1f}",
        f"{median(turn.milliseconds(0.99) for turn in turns):.1f}",
        f"{median(turn.each for turn in turns) * 1e6:.2f}",
        *table.busy([turn.cost for turn in turns]),
    )


def _verdicts(turns: Turns, count: int) -> list[table.Verdict]:
    bare = median(turn.each for turn in turns.bare) * 1e6
    alone = [
        (turn.cost.each(1) - quiet.each(1)) / turn.frames * 1e6
        for turn, quiet in zip(turns.hub, turns.unwatched, strict=True)
    ]
    return [
        table.ratio_at_most(
            "CPU of a delivery, changes included", median(turn.each for turn in turns.hub) * 1e6, bare, TARGET, "µs"
        ),
        table.ratio_at_most("CPU of a delivery alone", median(alone), bare, TARGET, "µs"),
        table.Verdict("CPU of a change without watchers", _us(median(quiet.each(count) for quiet in turns.unwatched))),
        *(
            table.ratio_at_most(
                f"change to delivery, p{share * 100:g}",
                median(turn.milliseconds(share) for turn in turns.hub),
                median(turn.milliseconds(share) for turn in turns.bare),
                None,
                "ms",
            )
            for share in (0.5, 0.99)
        ),
    ]


def _us(seconds: float) -> str:
    return table.amount(seconds * 1e6, "µs")
