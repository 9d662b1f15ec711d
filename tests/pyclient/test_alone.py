"""The client in a program that is not the hub: what it brings along, and the example that its users begin with."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.running import START_PATIENCE, Running, token

SERVER = {"alembic", "cryptography", "httptools", "jwt", "psycopg", "redis", "sqlalchemy", "starlette", "uvicorn"}
EXAMPLE = Path(__file__).with_name("example.py").read_text()


async def brought_by(module: str) -> set[str]:
    """The server's libraries and rooms that are there after this import alone."""
    code = f"import sys, {module}; print(*sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(START_PATIENCE):
        output, _ = await process.communicate()
    names = set(output.decode().split())
    assert module in names
    rooms = {name for name in names if name.startswith("hub.") and not f"{name}.".startswith("hub.client.")}
    return rooms | {name for name in names if name in SERVER}


async def test_the_client_brings_nothing_of_the_server_along() -> None:
    assert await brought_by("hub.client") == set()


async def test_another_room_of_the_hub_would_be_seen() -> None:
    assert await brought_by("hub.tokens") >= {"hub.tokens", "hub.errors", "jwt"}


async def test_the_example_shows_people_and_states(alone: Running) -> None:
    session = (await alone.create(title="Goats"))["id"]
    assert session == 1, "the example's"
    await alone.book(session, "ann")
    example = EXAMPLE.replace("http://127.0.0.1:8000", alone.url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-c", example, env=os.environ | {"TOKEN": token("ann")}, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        said = b""
        async with asyncio.timeout(START_PATIENCE):
            while b"here: ann" not in said or b"scheduled: 1 live, 1 seats taken" not in said:
                said += await process.stdout.readline()
            await alone.call("DELETE", f"/{session}")
            while b"cancelled: " not in said:
                said += await process.stdout.readline()
    finally:
        process.kill()
        await process.wait()
