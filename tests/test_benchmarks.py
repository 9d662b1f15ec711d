"""The benchmarks run: what they say depends on the machine, that they say it does not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("bookings --seconds 0.2 --rounds 1", ["no-op POST", "refused, new tokens", "bookings a second", "0.25"]),
        ("list --seconds 0.2 --rounds 1 --sessions 100", ["no-op GET", "page while booked", "pages a second", "0.35"]),
        ("start --people 5", ["slowest of all", "50 ms wanted"]),
        ("join --people 10", ["joins a second", "server CPU for a join", "`session` messages received"]),
    ],
)
async def test_a_benchmark_prints_its_table(arguments: str, told: list[str]) -> None:
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


async def test_the_help_names_every_benchmark_and_option() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks", "--help", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    for word in (
        "bookings",
        "list",
        "join",
        "start",
        "all",
        "--seconds",
        "--rounds",
        "--people",
        "--at-once",
        "--sessions",
    ):
        assert word in output.decode()
