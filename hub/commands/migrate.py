"""`hub migrate`."""

from __future__ import annotations

import asyncio

import click

from hub.commands.saying import fail, settings_of
from hub.settings import Settings
from hub.store import schema
from hub.store.database import Unusable
from hub.store.opening import database_at
from hub.values import shown


def run() -> None:
    """Bring the tables up to date, and say so."""
    settings = settings_of()
    reached = migrated(settings)
    left = "" if schema.knows(reached) else f"at {reached}, which is newer than this version: left as it is"
    click.echo(f"hub: {shown(settings.database_url)} is {left or 'up to date'}")


def migrated(settings: Settings) -> str:
    """Bring the tables up to date: the revision reached; what is wrong with the database is told in a sentence."""
    try:
        return asyncio.run(database_at(settings.database_url).migrate())
    except Unusable as reason:
        fail(str(reason))
