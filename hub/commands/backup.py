"""`hub backup`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hub.clock import utc_now
from hub.commands.saying import fail, settings_of
from hub.store.backup import NotCopied, back_up
from hub.store.database import Unusable


def run(file: Path) -> None:
    """Copy the SQLite database to `file`."""
    settings = settings_of()
    try:
        made = back_up(settings.database_url, file, utc_now)
    except Unusable as reason:
        fail(str(reason))
    except NotCopied as reason:
        click.echo(f"hub: {reason}", err=True)
        sys.exit(1)
    taken = made.taken_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    click.echo(
        f"hub: {file} holds all that was acknowledged before {taken}: {made.size} bytes, tables at {made.revision}, "
        "checked. Keep HUB_SECRET_KEY elsewhere: without it no meeting opens"
    )
