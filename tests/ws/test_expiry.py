"""The end of a token on an open socket, where the warning itself is the end of the socket."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from hub.sockets.expiry import TokenEnd
from tests.running import now


async def test_who_is_ended_by_the_warning_is_not_ended_again() -> None:
    ended: list[datetime] = []

    def warn(seconds: int) -> None:
        token_end.cancel()

    token_end = TokenEnd(now, warn, ended.append)
    token_end.at(now() + timedelta(seconds=0.01))
    rang = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.05, rang.set_result, None)
    await rang
    assert ended == []
