"""`hub reseal`."""

from __future__ import annotations

import asyncio

from hub import resealing
from hub.commands.saying import fail, settings_of, tell
from hub.sealing import Vault
from hub.store.database import Unusable
from hub.store.opening import database_at


def run() -> None:
    """Seal all meetings anew."""
    settings = settings_of()
    if settings.secret_key is None:
        fail("HUB_SECRET_KEY: set it to the key that seals from now on; HUB_SECRET_KEYS_ACCEPTED takes the one before")
    vault = Vault(settings.secret_key, settings.secret_keys_accepted)
    try:
        done = asyncio.run(resealing.run(database_at(settings.database_url), vault))
    except Unusable as reason:
        fail(str(reason))
    tell(done)
