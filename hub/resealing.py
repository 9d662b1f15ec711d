"""`hub reseal`: after a change of keys, all that is sealed is sealed anew with the present one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from hub.errors import Unavailable
from hub.sealing import Vault
from hub.store import schema, sealed
from hub.store.database import Database, Unusable

BATCH = 200
"""Sessions in one transaction: on PostgreSQL people edit and join meanwhile, and those of a batch wait for it."""
SHOWN = 20


@dataclass(slots=True)
class Resealed:
    """What was done: sessions sealed anew, those of which something did not open, and why it ended early."""

    done: int = 0
    lost: list[int] = field(default_factory=list)
    broke: str | None = None

    @property
    def complete(self) -> bool:
        """Whether everything is sealed with the present key now."""
        return not self.lost and self.broke is None

    def told(self) -> Iterator[str]:
        """This in sentences."""
        yield f"{self.done} sessions were sealed anew with HUB_SECRET_KEY"
        if self.lost:
            ids = ", ".join(map(str, self.lost[:SHOWN])) + (", …" if len(self.lost) > SHOWN else "")
            yield (
                f"{len(self.lost)} sessions hold something that none of the keys opens, and were left so: {ids}. Add "
                "the key to HUB_SECRET_KEYS_ACCEPTED and run this again, or have their experts set it anew"
            )
        if self.broke is not None:
            yield f"not all were reached: {self.broke} Run this again: it goes on where it was"


async def run(database: Database, vault: Vault) -> Resealed:
    """Seal everything anew, batch by batch; `database` is not open. Again or after a kill, only what is left is done.

    Raises Unusable. On SQLite no hub may run meanwhile; on PostgreSQL any number may.
    """
    await database.open()
    try:
        return await _run(database, vault)
    finally:
        await database.close()


async def _run(database: Database, vault: Vault) -> Resealed:
    result = Resealed()
    try:
        if behind := await database.read(schema.behind):
            raise Unusable(behind)
        after = 0
        while True:
            batch = partial(sealed.reseal, after=after, most=BATCH, key_id=vault.key_id, seal=vault.renew)
            opened = await database.transact(batch)
            if not opened:
                break
            after = max(opened)
            result.lost += [session_id for session_id, fine in opened.items() if not fine]
            result.done += sum(opened.values())
        await database.scrub()
    except Unavailable as refusal:
        result.broke = refusal.message
    return result
