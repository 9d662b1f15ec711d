"""`python -m benchmarks`: which benchmark, how long, with how many people."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import uvloop

from benchmarks import bookings, connecting, fanout, flood, idle, listing, page, scale, slow, starting, storm
from benchmarks.machine import Cores, many_descriptors
from benchmarks.servers import Stores
from benchmarks.wrong import Wrong

HELP = """Measure the hub on this machine, against servers that do nothing.

\b
bookings  bookings a second on one free session, as a share of a no-op POST
list      the first page of 10 out of 10,000 sessions, as a share of a no-op GET,
          quiet and while somebody books 200 times a second
start     an expert starts a session before watchers: until each of them has it
fanout    changes of one session told to 2,000 watchers: server CPU of a delivery,
          against a bare server that writes one ready frame to as many sockets
idle      resident size of a watching connection and of a joined participant,
          against a bare one, with 4,000 of each
connect   server CPU to connect and watch, against a bare handshake, and to say
          who one is and join; each 1,000 times in a turn
storm     2,000 people join one session within 2 s, all watching it: until everyone
          has the full count; and CPU a person for 500 to 4,000
slow      one reader who stops reading among 1,000 watchers, 20 changes a second:
          the server's size, the others' waiting, and how it comes to the newest
flood     200 good clients, alone and beside one that sends ten times what it may for
          30 s: their latency, and the server's size
page      the page in Chromium: its weight, when its list is painted, and from the
          expert's click on Start until another browser shows it
scale     what 10,000, 100,000 and 1,000,000 people need and what breaks first, by the
          model, and the model against 2,000 watchers on one process and on two, and
          against their coming back after a restart
all       one after the other (the default)

Server and client are pinned to a core each where that can be done. Everything is on 127.0.0.1 and in a temporary
folder. Absolute figures depend on the machine and on what else it does; the ratios are what counts.
"""
SECONDS = (
    f"Length of a turn. Default: {bookings.SECONDS:g}; fanout {fanout.SECONDS:g}, slow {slow.SECONDS:g}, "
    f""
    f"flood {flood.SECONDS:g}, scale {scale.SECONDS:g}; storm: {storm.SECONDS:g}, over which people join."
)
PEOPLE = (
    f"How many watch or come. Default: start {starting.WATCHERS}, fanout {fanout.WATCHERS}, idle {idle.CONNECTIONS}, "
    f"connect {connecting.PEOPLE}, storm {storm.PEOPLE} (and a quarter, half and twice as many), slow {slow.WATCHERS}, "
    f"flood {flood.PEOPLE}, scale {scale.WATCHERS}; page: loads and starts, {page.TIMES}; "
    "bookings: tokens for a turn (enough)."
)


@dataclass(frozen=True)
class Options:
    """What was asked for; None is the benchmark's own default."""

    seconds: float | None
    rounds: int
    people: int | None
    at_once: int
    rate: float | None
    connections: int
    sessions: int


@dataclass(frozen=True)
class Place:
    """Where it runs: what every benchmark is given first."""

    folder: Path
    stores: Stores
    cores: Cores


Report = Coroutine[Any, Any, str]


def _bookings(at: Place, asked: Options) -> Report:
    seconds = asked.seconds or bookings.SECONDS
    return bookings.run(at.folder, at.stores, at.cores, seconds, asked.people, asked.rounds, _say, asked.connections)


def _list(at: Place, asked: Options) -> Report:
    seconds = asked.seconds or bookings.SECONDS
    return listing.run(at.folder, at.stores, at.cores, seconds, asked.sessions, asked.rounds, _say)


def _start(at: Place, asked: Options) -> Report:
    return starting.run(at.folder, at.stores, at.cores, asked.people or starting.WATCHERS, _say)


def _fanout(at: Place, asked: Options) -> Report:
    watchers, seconds = asked.people or fanout.WATCHERS, asked.seconds or fanout.SECONDS
    rate = asked.rate or fanout.RATE
    return fanout.run(at.folder, at.stores, at.cores, watchers, seconds, rate, asked.rounds, _say)


def _idle(at: Place, asked: Options) -> Report:
    return idle.run(at.folder, at.stores, at.cores, asked.people or idle.CONNECTIONS, asked.at_once, _say)


def _connect(at: Place, asked: Options) -> Report:
    people = asked.people or connecting.PEOPLE
    return connecting.run(at.folder, at.stores, at.cores, people, asked.at_once, asked.rounds, _say)


def _storm(at: Place, asked: Options) -> Report:
    people, seconds = asked.people or storm.PEOPLE, asked.seconds or storm.SECONDS
    return storm.run(at.folder, at.stores, at.cores, people, seconds, asked.at_once, asked.rounds, _say)


def _slow(at: Place, asked: Options) -> Report:
    watchers, seconds = asked.people or slow.WATCHERS, asked.seconds or slow.SECONDS
    return slow.run(at.folder, at.stores, at.cores, watchers, seconds, asked.rate or slow.RATE, _say)


def _flood(at: Place, asked: Options) -> Report:
    people, seconds = asked.people or flood.PEOPLE, asked.seconds or flood.SECONDS
    return flood.run(at.folder, at.stores, at.cores, people, seconds, asked.rate or flood.TIMES, asked.rounds, _say)


def _page(at: Place, asked: Options) -> Report:
    return page.run(at.folder, at.stores, at.cores, asked.people or page.TIMES, _say)


def _scale(at: Place, asked: Options) -> Report:
    watchers, seconds = asked.people or scale.WATCHERS, asked.seconds or scale.SECONDS
    return scale.run(at.folder, at.stores, at.cores, watchers, seconds, asked.rate or scale.RATE, _say)


BENCHMARKS: dict[str, Callable[[Place, Options], Report]] = {
    "bookings": _bookings,
    "list": _list,
    "start": _start,
    "fanout": _fanout,
    "idle": _idle,
    "connect": _connect,
    "storm": _storm,
    "slow": _slow,
    "flood": _flood,
    "page": _page,
    "scale": _scale,
}


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("which", type=click.Choice([*BENCHMARKS, "all"]), default="all")
@click.option("--seconds", type=click.FloatRange(0.1, 600), help=SECONDS)
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True, help="Turns of the hub.")
@click.option("--people", type=click.IntRange(1, 100_000), help=PEOPLE)
@click.option(
    "--at-once",
    type=click.IntRange(1, 1_000),
    default=50,
    show_default=True,
    help="idle, connect, storm: how many are on their way.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 1_000),
    help=f"Changes a second. Default: fanout {fanout.RATE:g}, slow {slow.RATE:g}, scale {scale.RATE:g}. "
    f"Of flood: how many times its limits, {flood.TIMES:g}.",
)
@click.option(
    "--connections", type=click.IntRange(1, 5_000), default=128, show_default=True, help="bookings: how many."
)
@click.option("--sessions", type=click.IntRange(20, 200_000), default=10_000, show_default=True, help="list: how many.")
@click.option("--database", help="A PostgreSQL database that may be filled, instead of a file: postgresql://…")
@click.option("--redis", help="A Redis to tell others by, which nobody hears: redis://…")
def main(which: str, database: str | None, redis: str | None, **asked: Any) -> None:
    cores = Cores()
    cores.pin_client()
    many_descriptors()
    for name in BENCHMARKS if which == "all" else (which,):
        with tempfile.TemporaryDirectory(prefix="hub-benchmark-") as folder:
            place = Place(Path(folder), Stores(database or f"sqlite:///{folder}/hub.db", redis), cores)
            try:
                print(uvloop.run(BENCHMARKS[name](place, Options(**asked))))
            except Wrong as wrong:
                sys.exit(f"benchmarks: {wrong}")


def _say(progress: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {progress}", err=True)


if __name__ == "__main__":
    main()
