"""A rolling change of HUB_SECRET_KEY: hubs with the old key and the new one read each other, on Valkey and at rest."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from hub.bus.redis import RedisBus
from tests.bus.listening import a_change, at, until
from tests.running import EXPERT, Client, Running, bearer, running
from tests.servers import RedisServer

OLD, NEW = b"o" * 32, b"n" * 32
ROLLS: Mapping[str, tuple[bytes, tuple[bytes, ...]]] = {
    "before": (OLD, ()),
    "first": (OLD, (NEW,)),
    "second": (NEW, (OLD,)),
    "after": (NEW, ()),
}
"""The key that seals and signs, and those accepted, as each restart leaves them."""
TOGETHER = [("before", "first"), ("first", "second"), ("second", "after")]
MEETING: dict[str, Any] = {"meetingUrl": "https://meet.example/1", "meetingPassword": "s3cret"}
MEETING_SHOWN = {"url": MEETING["meetingUrl"], "password": MEETING["meetingPassword"]}
NUMBERS = count(3000)


def bus(url: str, roll: str) -> RedisBus:
    """The bus of a process after that restart."""
    return RedisBus(url, *ROLLS[roll])


@pytest.mark.parametrize(("one", "other"), TOGETHER, ids=["K1-first", "K1-second", "K1-third"])
async def test_those_who_run_together_in_a_change_of_keys_believe_each_other(
    redis_server: RedisServer, one: str, other: str
) -> None:
    url = redis_server.url(next(NUMBERS))
    buses = bus(url, one), bus(url, other)
    async with at(buses[0]) as first, at(buses[1]) as second:
        await until(lambda: all(each.healthy for each in buses), "health")
        for each in buses:
            await each.follow([1])
        buses[0].publish(a_change(revision=1))
        buses[1].publish(a_change(revision=2))
        await first.until(2)
        await second.until(1)
    assert [each.figures.undecodable for each in buses] == [0, 0]


async def test_those_who_never_run_together_do_not_believe_each_other(redis_server: RedisServer) -> None:
    url = redis_server.url(next(NUMBERS))
    before, middle, after = bus(url, "before"), bus(url, "second"), bus(url, "after")
    async with at(before) as process, at(middle), at(after):
        await until(lambda: before.healthy and middle.healthy and after.healthy, "health")
        await before.follow([1])
        after.publish(a_change(revision=1))
        middle.publish(a_change(revision=2))
        await until(lambda: before.figures.undecodable == 2, "both refusals")
    assert process.heard == []


async def meeting(hub: Running, session: int) -> Any:
    """What its expert is shown."""
    return (await hub.call("GET", f"/{session}")).json()["data"]["meeting"]


async def test_K1_meetings_and_news_pass_between_hubs_through_all_of_a_rolling_change(
    fresh_postgres: str, redis_server: RedisServer, tmp_path: Path
) -> None:
    url = redis_server.url(next(NUMBERS))

    async def hub(stack: AsyncExitStack, roll: str) -> Running:
        key, accepted = ROLLS[roll]
        place: dict[str, Any] = {"database_url": fresh_postgres, "redis_url": url}
        opened = running(tmp_path, secret_key=key, secret_keys_accepted=accepted, **place)
        return await stack.enter_async_context(opened)

    for pair in TOGETHER:
        async with AsyncExitStack() as stack:
            hubs = [await hub(stack, roll) for roll in pair]
            for here, there in (hubs, hubs[::-1]):
                session = (await here.create(**MEETING))["id"]
                assert await meeting(there, session) == MEETING_SHOWN
                async with Client.at(there) as watcher:
                    await watcher.ask(type="watch", sessions=[session])
                    await watcher.expect("session", revision=1)
                    booked = await here.call("POST", f"/{session}/book", bearer("ann"))
                    assert booked.status_code == 201
                    await watcher.expect("session", revision=2)
                edited = await there.call("PATCH", f"/{session}", EXPERT, json={"meetingPassword": "other"})
                assert edited.status_code == 200
                assert await meeting(here, session) == MEETING_SHOWN | {"password": "other"}
            assert [undecodable(each) for each in hubs] == [0, 0]


def undecodable(hub: Running) -> int:
    """How many announcements it did not believe."""
    assert hub.hub is not None
    assert isinstance(hub.hub.bus, RedisBus)
    return hub.hub.bus.figures.undecodable
