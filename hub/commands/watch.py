"""`hub watch`."""

from __future__ import annotations

import asyncio

import click

from hub import watching
from hub.commands.saying import fail


def run(session_id: int, url: str, count: int | None) -> None:
    """Show a session's states until it is over, or `count` of them."""
    try:
        asyncio.run(watching.watch(session_id, url, count, click.echo))
    except watching.Unwatchable as reason:
        fail(str(reason))
    except KeyboardInterrupt:
        pass
