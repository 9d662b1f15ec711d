"""How a process ends: by Ctrl+C without a word, and with a code that has it started again when something broke."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import httpx2
import jwt
import pytest

from tests.running import API, EXPERT, PATIENCE, SECRET, free_port, kill, spawn, variables_for


@pytest.mark.parametrize("command", ["serve", "demo"])
async def test_a_command_says_where_it_listens_once_it_does_and_ends_quietly_by_ctrl_c(
    tmp_path: Path, command: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", command, "--port", "0",
        env=variables_for(tmp_path / "hub.db", free_port()), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    said = ""
    try:
        async with asyncio.timeout(PATIENCE * 2):
            while (url := re.search(r"hub: .*(http://127\.0\.0\.1:\d+)", said)) is None:
                line = await process.stderr.readline()
                assert line, said
                said += line.decode()
            async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
                assert (await http.get(f"{url[1]}/healthz")).status_code == 200
            process.send_signal(signal.SIGINT)
            said += (await process.stderr.read()).decode()
            assert await process.wait() == 130
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "Aborted" not in said
    assert "Traceback" not in said


async def test_a_demo_takes_and_gives_no_tokens_of_the_secret_that_is_set(tmp_path: Path) -> None:
    spawned = await spawn(tmp_path, free_port(), command=("-m", "hub", "demo"))
    try:
        async with spawned.http() as http:
            people = (await http.get("/demo/people")).json()["data"]
            own = f"{API}/expert/my-sessions"
            for person in people:
                with pytest.raises(jwt.InvalidSignatureError):
                    jwt.decode(person["token"], SECRET, algorithms=["HS256"])
            given = {"Authorization": f"Bearer {people[0]['token']}"}
            assert (await http.get(own, headers=given)).status_code == 200
            assert (await http.get(own, headers=EXPERT)).status_code == 401
    finally:
        await kill(spawned)
    lines = (tmp_path / "hub.log").read_text().splitlines()
    assert lines.count("hub: the demo signs with a secret of its own: HUB_JWT_SECRET is not used") == 1


async def test_a_process_whose_background_task_died_ends_with_1_so_that_it_is_started_again(tmp_path: Path) -> None:
    hub = await spawn(tmp_path, free_port(), HUB_LEASE_SECONDS="1")
    assert hub.process is not None
    try:
        # A broken constraint is nothing that the lease expects, so its task dies of it.
        with closing(sqlite3.connect(hub.where, timeout=PATIENCE)) as connection:
            connection.execute(
                "CREATE TRIGGER broken BEFORE UPDATE ON nodes BEGIN SELECT RAISE(ABORT, 'broken by the test'); END"
            )
        async with asyncio.timeout(PATIENCE):
            assert await hub.process.wait() == 1
    finally:
        if hub.process.returncode is None:
            hub.process.kill()
            await hub.process.wait()
    assert "'lease' died: this process goes" in (tmp_path / "hub.log").read_text()
