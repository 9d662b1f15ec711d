"""The address of a process's own for its figures: nothing but these, and for nobody who dawdles."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from hub import scraping
from hub.app import build
from hub.listening import bind
from tests.listening import stopped, until_started
from tests.running import PATIENCE, SECRET, SECRET_KEY, running, settings_for
from tests.scrape import scrape
from tests.test_cli import hub_command

SECRETS = {"HUB_JWT_SECRET": SECRET, "HUB_SECRET_KEY": base64.b64encode(SECRET_KEY).decode()}


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """Of a hub's own address."""
    ((own,),) = bind("127.0.0.1", 0, 1)
    async with running(tmp_path, serving_as={"own": [own]}):
        yield own.getsockname()[1]


@pytest.mark.parametrize(
    ("asked", "status"),
    [("GET /metrics?x=1", 200), ("HEAD /metrics", 200), ("GET /", 404), ("GET /readyz", 404), ("POST /metrics", 405)],
)
async def test_there_is_nothing_but_the_figures(port: int, asked: str, status: int) -> None:
    method, path = asked.split()
    async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False, verify=False) as http:
        answer = await http.request(method, f"http://127.0.0.1:{port}{path}")
    assert answer.status_code == status
    assert answer.headers["connection"] == "close"
    assert (b"hub_ready" in answer.content) == (asked == "GET /metrics?x=1")


async def hung_up(reader: asyncio.StreamReader) -> bytes:
    """What comes until the hub hangs up."""
    async with asyncio.timeout(PATIENCE):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("said", [b"", b"GET /metrics HTTP/1.1\r\n", b"x" * 100_000])
async def test_who_does_not_ask_in_time_is_hung_up_on(port: int, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraping, "SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    assert await hung_up(reader) == b""
    writer.close()
    assert (await scrape(port)).of("hub_build_info") == 1


async def test_many_who_dawdle_at_once_are_hung_up_on_before_their_time(port: int) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(scraping.AT_ONCE)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await hung_up(reader) == b""
    assert not any(one.at_eof() for one, _ in idle), "the control: those who were few had their time"
    for _, one in (*idle, (reader, writer)):
        one.close()
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                assert (await scrape(port)).of("hub_build_info") == 1
                return
            except httpx2.TransportError:  # those who left are not all gone yet
                await asyncio.sleep(0.01)


async def test_who_is_replaced_leaves_the_next_scrape_to_the_successor(tmp_path: Path) -> None:
    ((own,),) = bind("127.0.0.1", 0, 1)
    kept = own.dup()  # as the supervisor does
    serving, task, listening = await until_started(build(settings_for(tmp_path / "hub.db")), own=[own])
    try:
        port = own.getsockname()[1]
        assert (await scrape(port)).of("hub_build_info") == 1
        kept.setblocking(False)
        serving.retire()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(PATIENCE):
            taken, _ = await asyncio.get_running_loop().sock_accept(kept)
        taken.close()
        writer.close()
    finally:
        kept.close()
        await stopped(serving, task, listening)


async def test_a_port_that_is_taken_is_told_by_the_name_of_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await hub_command(tmp_path, "serve", "--port", "0", HUB_METRICS_PORT=str(port), **SECRETS)
    said = f"hub: HUB_METRICS_PORT: 127.0.0.1:{port} can't be listened on: Address already in use"
    assert (ended.code, ended.err.splitlines()[-1]) == (2, said)
