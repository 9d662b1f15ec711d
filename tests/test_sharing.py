"""Those who ask together share an answer, and nobody is answered from before they asked."""

from __future__ import annotations

import asyncio

import pytest

from hub.sharing import Shared


class Slow:
    """Work that ends when it is told to; `begun` counts how often it was started."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        """The number of this run."""
        self.begun += 1
        mine = self.begun
        await self.gate.wait()
        return mine


async def _turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_those_who_ask_before_the_work_begins_share_it() -> None:
    shared: Shared[int] = Shared()
    work = Slow()
    work.gate.set()

    answers = await asyncio.gather(*(shared.ask("key", work) for _ in range(10)))

    assert answers == [1] * 10


async def test_one_who_asks_while_the_work_runs_gets_the_next_run() -> None:
    shared: Shared[int] = Shared()
    work = Slow()
    first = asyncio.create_task(shared.ask("key", work))
    await _turns()

    late = [asyncio.create_task(shared.ask("key", work)) for _ in range(3)]
    await _turns()
    assert work.begun == 1
    work.gate.set()

    assert await first == 1
    assert [await task for task in late] == [2, 2, 2]


async def test_other_keys_do_not_wait() -> None:
    shared: Shared[int] = Shared()
    stuck, free = Slow(), Slow()
    free.gate.set()
    waiting = asyncio.create_task(shared.ask("stuck", stuck))

    assert await shared.ask("free", free) == 1
    stuck.gate.set()
    await waiting


async def test_a_failure_is_everyones_and_the_next_asks_anew() -> None:
    shared: Shared[int] = Shared()

    async def fail() -> int:
        raise LookupError

    outcomes = await asyncio.gather(*(shared.ask("key", fail) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(outcome, LookupError) for outcome in outcomes)
    work = Slow()
    work.gate.set()

    assert await shared.ask("key", work) == 1


async def test_one_who_gives_up_does_not_spoil_it_for_the_others() -> None:
    shared: Shared[int] = Shared()
    work = Slow()
    impatient = asyncio.create_task(shared.ask("key", work))
    patient = asyncio.create_task(shared.ask("key", work))
    await _turns()
    impatient.cancel()
    work.gate.set()

    assert await patient == 1
    with pytest.raises(asyncio.CancelledError):
        await impatient
