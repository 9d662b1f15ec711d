"""The benchmarks run: what they say depends on the machine, that they say it does not."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import struct
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import table
from benchmarks.__main__ import main
from benchmarks.machine import Meter
from benchmarks.sleeper import ESTABLISHED, End, end_of
from benchmarks.storm import most_in_a_second
from tests.browser import NO_CHROMIUM
from tests.faults.nodes import LONG
from tests.processes import missing

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0


TOLD: list[tuple[str, list[str]]] = [
    (
        "bookings --seconds 0.1 --rounds 1 --connections 8",
        ["no-op POST", "refused, new tokens", "bookings a second", "0.25"],
    ),
    ("list --seconds 0.5 --rounds 1 --sessions 100", ["no-op GET", "page while booked", "pages a second", "0.35"]),
    ("start --people 5", ["slowest of all", "<= 50 ms"]),
    (
        "fanout --people 5 --seconds 0.2 --rate 20 --rounds 1",
        ["bare", "CPU of a delivery", "delivery alone", "change to delivery, p99", "client busy", "<= 1.25"],
    ),
    ("idle --people 10", ["watching", "joined", "KB each", "a joined participant", "<= 9 KB", "<= 12 KB"]),
    (
        "connect --people 5 --rounds 1 --at-once 2",
        ["bare handshake", "auth and join", "client busy", "<= 300 µs", "<= 3.00", "<= 600 µs"],
    ),
    (
        "storm --people 8 --seconds 0.1 --rounds 1",
        ["most in 1 s", "8: last ok to full count", "<= 1,000 ms", "<= 12 frames", "CPU a person: 16 against 2"],
    ),
    (
        "slow --people 5 --seconds 0.3",
        ["without", "with", "SEEN: ", "<= 2 MB", "<= 1.50", "the slow one, awake", "has", "newest", "yes"],
    ),
    (
        "flood --people 3 --seconds 0.5 --rounds 1",
        ["alone", "beside", "SEEN: the one", "reads, p99", "pings, p99", "<= 2.00", "<= 20 MB", "by 200"],
    ),
    (
        "page --people 1",
        [
            *("/static/app.js", "files of the list view", "files of every view", "<= 60 KB"),
            *("list painted, p95", "<= 300 ms", "seen", "<= 150 ms"),
        ],
    ),
    (
        "scale --people 8 --seconds 0.5",
        ["what runs out", "1,000,000", "one process", "two: transactions", "until all were", "0.67 to 1.50"],
    ),
]
QUICK = ("bookings", "fanout", "connect", "page")
"""Run each time: they have the parts that the others are made of. Those run with HUB_TEST_LONG=1."""


@pytest.mark.parametrize(("arguments", "told"), [one for one in TOLD if LONG or one[0].partition(" ")[0] in QUICK])
async def test_a_benchmark_prints_its_table(arguments: str, told: list[str]) -> None:
    if arguments.startswith("page") and shutil.which("chromium") is None:
        missing(NO_CHROMIUM)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks",
        *arguments.split(),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    for words in ["figure", "ratio", "target", "cores", *told]:
        assert words in output.decode()


def test_the_help_names_every_benchmark_and_option() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    for word in (
        "bookings",
        "list",
        "start",
        "fanout",
        "idle",
        "connect",
        "storm",
        "slow",
        "flood",
        "page",
        "scale",
        "all",
        "--seconds",
        "--rounds",
        "--people",
        "--at-once",
        "--rate",
        "--connections",
        "--sessions",
        "--database",
        "--redis",
    ):
        assert word in output


def test_a_thread_that_ended_is_not_forgotten() -> None:
    meter = Meter(os.getpid())
    worker = threading.Thread(target=_work, args=(0.3,))
    worker.start()
    worker.join()
    alone = meter.cost().each(1)
    assert 0.25 < alone < 0.6


def _work(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_less_is_better_where_less_is_wanted() -> None:
    assert table.at_most("size", 8.9, 9, "KB").row() == ("size", "8.90 KB", "-", "-", "<= 9 KB", "yes")
    assert table.at_most("size", 9.1, 9, "KB", 3.0).row() == ("size", "9.10 KB", "3.00 KB", "3.033", "<= 9 KB", "no")
    assert table.ratio_at_most("CPU", 10, 8, 1.25, "µs").met is True
    assert table.ratio_at_most("CPU", 10.1, 8, 1.25, "µs").met is False
    assert table.ratio_at_most("CPU", 10, 0, 1.25, "µs").met is False


def test_the_most_in_a_second_is_found_wherever_the_second_begins() -> None:
    assert most_in_a_second([]) == 0
    assert most_in_a_second([0.0, 0.6, 0.7, 1.5, 1.55, 1.65]) == 4
    assert most_in_a_second([0.0, 1.0, 2.0]) == 1


def test_what_waits_in_the_kernel_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with socket.create_connection(listening.getsockname()) as reader, listening.accept()[0] as writer:
            port, peer = writer.getsockname()[1], reader.getsockname()[1]
            writer.send(b"x" * 1_000)
            assert end_of(peer, port) == End(ESTABLISHED, unsent=0, unread=1_000)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert end_of(port, peer).state != ESTABLISHED
