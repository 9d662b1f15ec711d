"""The command line: demo, serve, migrate, reseal, prune, forget, backup, token, watch, check.

What a command does is imported when it is called: else `hub --version` would take as long as the whole hub.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from hub.domain.people import Role

host_option = click.option("--host", help="Address to listen on (HUB_HOST, 127.0.0.1).")
port_option = click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (HUB_PORT, 8000).")


class Interruptible(click.Group):
    """Ctrl+C is how people end these commands: nothing to complain of."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; 130 is what shells know an interrupt by."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(130)


@click.group(cls=Interruptible, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="live-session-hub")
@click.pass_context
def main(context: click.Context) -> None:
    """Live sessions: scheduled, booked and seen live. Settings are HUB_* variables; see the README."""
    # What is imported stays: to look through it for garbage again and again takes a tenth of a start.
    context.call_on_close(partial(gc.set_threshold, *gc.get_threshold()))
    gc.set_threshold(100_000, 20, 100)
    if os.getpid() == 1:
        # The first process of a container, to which no signal comes that it does not ask for. A hub that serves does.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


@main.command()
@host_option
@port_option
@click.option("--workers", type=click.IntRange(1, 256), help="Processes (HUB_WORKERS, 1); more need PostgreSQL, Redis.")
@click.option("--fd", "descriptors", type=int, multiple=True, hidden=True)
@click.option("--own-fd", "own", type=int, multiple=True, hidden=True)
def serve(
    host: str | None, port: int | None, workers: int | None, descriptors: tuple[int, ...], own: tuple[int, ...]
) -> None:
    """Run the service."""
    from hub.commands import serve as command

    command.run(host, port, workers, descriptors, own)


@main.command()
@host_option
@port_option
@click.option("--crowd", type=click.IntRange(0, 2000), default=0, help="Simulated people who come and go.")
def demo(host: str | None, port: int | None, crowd: int) -> None:
    """Everything on one machine, with sample sessions and a page to click."""
    from hub.commands import demo as command

    command.run(host, port, crowd)


@main.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    from hub.commands import migrate as command

    command.run()


@main.command()
def reseal() -> None:
    """Seal all meetings anew with HUB_SECRET_KEY. Exit code 1 when some did not open, or not all were reached."""
    from hub.commands import reseal as command

    command.run()


@main.command()
@click.option("--older-than", "age", required=True, help="How long ago the session ended: a number and s, m, h or d.")
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would be done.")
def prune(age: str, dry: bool) -> None:
    """Keep totals alone of who was in sessions that are long over. Exit code 1 when not all were reached."""
    from hub.commands import prune as command

    command.run(age, dry)


@main.command()
@click.argument("sub", metavar="SUB")
def forget(sub: str) -> None:
    """Replace one person everywhere by nobody, attendance kept. Exit code 1 when not all was reached."""
    from hub.commands import forget as command

    command.run(sub)


@main.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Copy the SQLite database to a new FILE, beside a running hub. Exit code 1 when that did not succeed."""
    from hub.commands import backup as command

    command.run(file)


@main.command()
@click.option("--sub", required=True, help="Who it is for: the person's id.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--name", required=True, help="The name that others see.")
@click.option("--ttl", default="1h", help="How long it lasts: a number and s, m, h or d (1h).")
def token(sub: str, role: str, name: str, ttl: str) -> None:
    """Print a token signed with HUB_JWT_SECRET."""
    from hub.commands import token as command

    command.run(sub, role, name, ttl)


@main.command()
@click.argument("session_id", metavar="ID", type=click.IntRange(1, 2**31 - 1))
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the hub is.")
@click.option("--count", type=click.IntRange(1), help="Stop after so many states.")
def watch(session_id: int, url: str, count: int | None) -> None:
    """Show a session's live state in the terminal, until it is over."""
    from hub.commands import watch as command

    command.run(session_id, url, count)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Say it as one JSON object, for machines.")
def check(as_json: bool) -> None:
    """Check settings, database and bus: what is wrong, and how to mend it. Exit code 1 when something is red."""
    from hub.commands import check as command

    command.run(as_json)
