"""`hub forget`."""

from __future__ import annotations

import asyncio

from hub import keeping
from hub.commands.saying import fail, settings_of, tell
from hub.store.database import Unusable
from hub.store.opening import database_at


def run(sub: str) -> None:
    """Replace this person everywhere by nobody."""
    settings = settings_of()
    try:
        tell(asyncio.run(keeping.forget(database_at(settings.database_url), sub)))
    except (Unusable, keeping.StillHosts) as reason:
        fail(str(reason))
