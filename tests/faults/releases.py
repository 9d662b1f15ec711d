"""The next release of the hub: a copy of this one with a migration more, as programs of its own."""

from __future__ import annotations

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path

from hub.store import schema
from tests.running import PATIENCE, variables_for
from tests.tables import Where

ROOT = Path(__file__).parents[2]
NEXT = "9999"
REVISION = "SELECT version_num FROM alembic_version"
MIGRATION = f'''"""Planted by a test."""

import sys

import sqlalchemy as sa
from alembic import op

from hub.migrations import beside

revision = "{NEXT}"
down_revision = "%s"


def upgrade() -> None:
    """Do what the test wants done."""
'''
ADDITIVE = """
    beside.add_column("live_sessions", sa.Column("mood", sa.String(16), server_default="fine", nullable=False))
    beside.add_column("session_bookings", sa.Column("note", sa.Text()))
    beside.add_column("session_participants", sa.Column("device", sa.Text()))
    session = sa.ForeignKey("live_sessions.id")
    op.create_table("moods", sa.Column("id", sa.Integer(), session, primary_key=True), if_not_exists=True)
    beside.create_index("ix_session_bookings_mood", "session_bookings", ["created_at"])
"""
PAUSES = """
    beside.add_column("live_sessions", sa.Column("mood", sa.String(16), server_default="fine", nullable=False))
    print("half done", flush=True)
    sys.stdin.read()
    beside.add_column("session_bookings", sa.Column("note", sa.Text()))
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    said: str


@dataclass(frozen=True)
class Release:
    """Where its code is."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, upgrade: str, turn: float | None = None) -> Release:
        """With this body of `upgrade()`; `turn` is how long it waits for a table, where that is not the usual."""
        # With what was compiled: copies keep their times.
        shutil.copytree(ROOT / "hub", folder / "hub")
        shutil.copytree(ROOT / "static", folder / "hub/web/static")
        planted = folder / "hub/migrations/versions/v9999_planted.py"
        planted.write_text(MIGRATION % schema.head() + upgrade)
        if turn is not None:
            changed = folder / "hub/store/migrating.py"
            before = changed.read_text()
            assert "TURN_SECONDS = 0.2\n" in before
            changed.write_text(before.replace("TURN_SECONDS = 0.2\n", f"TURN_SECONDS = {turn}\n"))
        return cls(folder)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program that does not look into its own folder (`python -P`) find this code, not ours."""
        return {"PYTHONPATH": str(self.folder)}

    async def begin(self, where: Where, *command: str, port: int = 0) -> Process:
        """One of its commands, which runs."""
        return await begin(where, *command, port=port, **self.environment)

    async def run(self, where: Where, *command: str) -> Ended:
        """One of its commands, to its end."""
        return await ended(await self.begin(where, *command))


SERVE = ("-P", "-m", "hub", "serve")


STARTED: list[Process] = []
"""By this test; those that still run at its end are killed."""


async def begin(where: Where, *command: str, port: int = 0, **environment: str) -> Process:
    """A command of this release, which runs; what it says comes by its standard output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "hub", *command,
        env=variables_for(where, port) | environment, stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    STARTED.append(process)
    return process


async def ended(process: Process) -> Ended:
    """How it ended, within some time."""
    async with asyncio.timeout(3 * PATIENCE):
        said, _ = await process.communicate(b"")
    assert process.returncode is not None
    return Ended(process.returncode, said.decode())


async def end_all() -> None:
    """Kill what a test left behind."""
    while STARTED:
        process = STARTED.pop()
        if process.returncode is None:
            process.kill()
            await process.communicate(b"")
