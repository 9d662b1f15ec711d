"""`hub prune`."""

from __future__ import annotations

import asyncio

from hub import keeping
from hub.clock import utc_now
from hub.commands.saying import fail, lasting, settings_of, tell
from hub.store.database import Unusable
from hub.store.opening import database_at


def run(age: str, dry: bool) -> None:
    """Keep totals alone of sessions that ended `age` ago, or only say what would be done."""
    settings, long_ago = settings_of(), lasting("--older-than", age)
    try:
        before = utc_now() - long_ago
    except OverflowError:
        fail(f"--older-than {age} is before any calendar begins")
    try:
        tell(asyncio.run(keeping.prune(database_at(settings.database_url), before, dry=dry)))
    except Unusable as reason:
        fail(str(reason))
