"""The database's clock as a process knows it: the quickest of its answers counts, unless the clock itself was set."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from hub.clock import EPOCH, SharedClock

LATE = 1_000.0


class Server:
    """A database whose clock is `ahead` seconds before a monotonic one of the test's."""

    def __init__(self) -> None:
        self.now = LATE
        self.ahead = 5_000.0

    def seen(self) -> SharedClock:
        """A process's idea of it."""
        return SharedClock(lambda: self.now)

    async def look(self, shared: SharedClock, there: float, back: float) -> None:
        """An answer that takes so many seconds on each way."""

        async def ask() -> datetime:
            self.now += there
            told = EPOCH + timedelta(seconds=self.now + self.ahead)
            self.now += back
            return told

        await shared.look(ask)

    def off(self, shared: SharedClock) -> float:
        """Seconds by which the process's time is wrong."""
        return (shared() - EPOCH).total_seconds() - (self.now + self.ahead)


@pytest.fixture
def server() -> Server:
    """A database with a clock."""
    return Server()


async def test_a_slow_answer_moves_nothing(server: Server) -> None:
    shared = server.seen()
    await server.look(shared, 0.001, 0.001)
    server.now += 4.5
    await server.look(shared, 0.3, 0.0)
    assert abs(server.off(shared)) < 0.002


async def test_a_quicker_answer_mends_what_a_slow_one_told_first(server: Server) -> None:
    shared = server.seen()
    await server.look(shared, 0.3, 0.0)
    assert abs(server.off(shared)) > 0.1
    server.now += 4.5
    await server.look(shared, 0.001, 0.001)
    assert abs(server.off(shared)) < 0.002


async def test_a_clock_that_was_set_is_followed_at_once(server: Server) -> None:
    shared = server.seen()
    await server.look(shared, 0.001, 0.001)
    server.now, server.ahead = server.now + 4.5, server.ahead + 3_600
    await server.look(shared, 0.02, 0.0)
    assert abs(server.off(shared)) < 0.02


async def test_what_was_seen_long_ago_counts_less_and_less(server: Server) -> None:
    shared = server.seen()
    await server.look(shared, 0.001, 0.001)
    server.now += 3_600
    await server.look(shared, 0.1, 0.1)
    server.now += 4.5
    assert abs(server.off(shared)) < 0.002


async def test_an_answer_that_took_too_long_tells_nothing(server: Server) -> None:
    shared = server.seen()
    await server.look(shared, 0.001, 0.001)
    server.ahead += 3_600
    await server.look(shared, 0.6, 0.0)
    assert server.off(shared) < -3_000
