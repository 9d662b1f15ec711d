"""A4, A14, A17: whatever comes over a connection is answered or ended, never by a 5xx, and the hub goes on."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from logging.handlers import QueueHandler
from queue import Queue

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings

from tests.faults.nodes import LONG
from tests.running import PATIENCE, Running, running
from tests.security.near_frames import MARK
from tests.security.near_requests import noise

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUESTS = 5_000 if LONG else 300
QUIET = 0.1
"""Seconds without an answer until the peer ends its side: half a request is waited for."""
FENCE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
TOLD = {"Invalid HTTP request received.", "Unsupported upgrade request."}
"""What uvicorn says of requests that are none, and no word of theirs."""


class Lines:
    """What was logged, and what was answered, over all of the module."""

    def __init__(self, kept: Sequence[logging.LogRecord]) -> None:
        self.kept = kept
        self.statuses: Counter[int] = Counter()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub with a session."""
    async with running(tmp_path_factory.mktemp("noise")) as listening:
        await listening.create()
        yield listening


@pytest.fixture(scope="module")
def lines() -> Iterator[Lines]:
    """Kept from here on."""
    kept: Queue[logging.LogRecord] = Queue()
    handler = QueueHandler(kept)
    logging.getLogger().addHandler(handler)
    yield Lines(kept.queue)
    logging.getLogger().removeHandler(handler)


async def said(hub: Running, octets: bytes) -> bytes:
    """All that comes back until the end of the connection, which must come."""
    loop, came = asyncio.get_running_loop(), b""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, suppress(ConnectionError):
        tcp.setblocking(False)
        await loop.sock_connect(tcp, ("127.0.0.1", hub.port))
        async with asyncio.timeout(PATIENCE):
            await loop.sock_sendall(tcp, octets + FENCE)
            ended = False
            while True:
                try:
                    async with asyncio.timeout(None if ended else QUIET):
                        more = await loop.sock_recv(tcp, 65_536)
                except TimeoutError:
                    ended = True
                    tcp.shutdown(socket.SHUT_WR)
                    continue
                if not more:
                    break
                came += more
    return came


@settings(
    max_examples=REQUESTS,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(octets=noise)
async def test_no_requests_whatever_break_the_hub_A4_A17(hub: Running, lines: Lines, octets: bytes) -> None:
    came = await said(hub, octets)
    assert came == b"" or STATUS.match(came)
    statuses = [int(status) for status in STATUS.findall(came)]
    lines.statuses.update(statuses)
    assert [status for status in statuses if status >= 500] == []


async def test_after_it_the_hub_goes_on_and_logged_nothing_of_it_A14(hub: Running, lines: Lines) -> None:
    assert sum(lines.statuses.values()) >= REQUESTS
    assert {200, 400, 401, 404, 405, 422} <= set(lines.statuses)
    assert (await hub.create())["id"] > 1
    wrong = [record for record in lines.kept if record.exc_info or record.levelno >= logging.WARNING]
    assert {record.getMessage() for record in wrong if record.name != "hub.audit"} <= TOLD
    assert [record.getMessage() for record in lines.kept if MARK in record.getMessage()] == []


async def test_a_hub_that_breaks_would_be_seen(hub: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.web.http.forms.read_query", None)
    came = await said(hub, b"GET /api/live-sessions HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert [int(status) for status in STATUS.findall(came)] == [500, 200]
