"""Work that blocks, beside the event loop and without an end that anyone could wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def beside(work: Callable[[], T]) -> T:
    """What `work` returns, in a thread that nothing waits for at the end: a frozen server may hold it for ever."""
    future: Future[T] = Future()

    def carry_out() -> None:
        future.set_running_or_notify_cancel()
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=carry_out, name="hub-beside", daemon=True).start()
    return await asyncio.wrap_future(future)
