"""`python -m benchmarks`: which benchmark, how long, with how many people."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import uvloop

from benchmarks import bookings, joining, listing, starting
from benchmarks.client import Wrong
from benchmarks.machine import Cores, many_descriptors
from benchmarks.servers import Stores

NAMES = ("bookings", "list", "join", "start")
HELP = """Measure the hub on this machine, against a server that does nothing.

\b
bookings  bookings a second on one free session, as a share of a no-op POST
list      the first page of 10 out of 10,000 sessions, as a share of a no-op GET,
          quiet and while somebody books 200 times a second
join      people who open a socket, say who they are and join one active session,
          until everyone has the full count
start     an expert starts a session before watchers: until each of them has it
all       one after the other (the default)

Server and client are pinned to a core each where that can be done. Everything is on 127.0.0.1 and in a temporary
folder. Absolute figures depend on the machine and on what else it does; the ratios are what counts.
"""


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("which", type=click.Choice([*NAMES, "all"]), default="all")
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=2.0, show_default=True, help="Length of a turn.")
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True, help="Turns of the hub.")
@click.option(
    "--people",
    type=click.IntRange(1, 100_000),
    help="join: how many come (500). start: how many watch (200). bookings: tokens for a turn (enough).",
)
@click.option(
    "--at-once", type=click.IntRange(1), default=50, show_default=True, help="join: how many are on their way."
)
@click.option(
    "--connections", type=click.IntRange(1, 5_000), default=128, show_default=True, help="bookings: how many."
)
@click.option("--sessions", type=click.IntRange(20, 200_000), default=10_000, show_default=True, help="list: how many.")
@click.option("--database", help="A PostgreSQL database that may be filled, instead of a file: postgresql://…")
@click.option("--redis", help="A Redis to tell others by, which nobody hears: redis://…")
def main(
    which: str,
    seconds: float,
    rounds: int,
    people: int | None,
    at_once: int,
    connections: int,
    sessions: int,
    database: str | None,
    redis: str | None,
) -> None:
    cores = Cores()
    cores.pin_client()
    many_descriptors()
    for name in NAMES if which == "all" else (which,):
        with tempfile.TemporaryDirectory(prefix="hub-benchmark-") as folder:
            stores = Stores(database or f"sqlite:///{folder}/hub.db", redis)
            work: dict[str, Coroutine[Any, Any, str]] = {}
            if name == "bookings":
                work[name] = bookings.run(Path(folder), stores, cores, seconds, people, rounds, _say, connections)
            elif name == "list":
                work[name] = listing.run(Path(folder), stores, cores, seconds, sessions, rounds, _say)
            elif name == "start":
                work[name] = starting.run(Path(folder), stores, cores, people or 200, _say)
            else:
                work[name] = joining.run(Path(folder), stores, cores, people or 500, at_once, _say)
            try:
                print(uvloop.run(work[name]))
            except Wrong as wrong:
                sys.exit(f"benchmarks: {wrong}")


def _say(progress: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {progress}", err=True)


if __name__ == "__main__":
    main()
