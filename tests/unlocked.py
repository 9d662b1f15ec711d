"""A ledger whose protection is taken away, for negative controls."""

from __future__ import annotations

import asyncio
from functools import partial

from hub.domain.events import changed
from hub.ledger import Call, Ledger
from hub.store import writes
from hub.store.writes import Wanted


async def run_without_a_lock(ledger: Ledger) -> None:
    """The ledger as it is often written: read, decide, write, each request on its own, the decision outside."""
    database = ledger._database

    async def change(call: Call[object]) -> None:
        wanted = Wanted()
        wanted.also(call.about, call.bookings, call.payments)
        load = partial(writes.load, wanted={call.session_id: wanted})
        try:
            live = (await database.transact(load))[call.session_id]  # PostgreSQL's readers may not lock, as `load` does
            outcome = call.rule(live, call.now)
            await database.transact(partial(writes.save, lives=[live], now=call.now))
            ledger._announce(changed(live, call.now))
            call.answer.set_result(outcome)
        except Exception as error:
            call.answer.set_exception(error)

    async with asyncio.TaskGroup() as changes:
        while True:
            await ledger._arrived.wait()
            ledger._arrived.clear()
            while ledger._waiting:
                changes.create_task(change(ledger._waiting.popleft()))
