"""What is wrong on a socket is refused by its name, or ends it with a code of the table; nothing is ever our fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from hub.sockets import closing
from tests.bad_frames import ALL, Frame
from tests.running import PATIENCE, Client, Running, token
from tests.sockets import ended, gather_heard, inside
from tests.stored import visits
from tests.tables import dump

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSE_CODES = {close.code for close in closing.ALL}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(shared: Running) -> AsyncIterator[Running]:
    """Session 1 with Ann's seat, and session 2, which has ended."""
    assert (await shared.create())["id"] == 1
    assert (await shared.create())["id"] == 2
    await shared.book(1, "ann")
    await shared.start(2)
    await shared.call("PATCH", "/2/end")
    yield shared


@pytest.mark.parametrize("frame", ALL, ids=lambda frame: frame.name)
async def test_a_wrong_frame_is_refused_and_changes_nothing(world: Running, frame: Frame) -> None:
    before = dump(world.where)
    role = "expert" if frame.who == "e-7" else "student"
    async with Client.at(world, frame.who, role) as client:
        await client.socket.send(frame.data)
        if isinstance(frame.answer, int):
            assert await ended(client) == frame.answer
        else:
            refusal = await client.expect("error")
            assert refusal.keys() == {"type", "id", "code", "message"}
            assert (refusal["code"], refusal["id"]) == (frame.answer, frame.id)
            assert len(refusal["message"]) > 10
            assert refusal["message"].endswith(".")
            assert "sys." not in refusal["message"]
            assert await gather_heard(client) == []
    assert dump(world.where) == before


async def test_no_wrong_frame_is_told_twice() -> None:
    names = [frame.name for frame in ALL]
    assert len(names) == len(set(names)) >= 100


async def test_joins_leaves_and_auths_in_one_breath_are_done_in_order(world: Running) -> None:
    async with Client.at(world) as client:
        breath: list[dict[str, Any]] = [
            {"type": "join", "session": 1},
            {"type": "auth", "token": token("ann")},
            {"type": "join", "session": 1},
            {"type": "join", "session": 1},
            {"type": "leave", "session": 1},
            {"type": "leave", "session": 1},
            {"type": "auth", "token": token("bob")},
        ]
        for number, message in enumerate(breath):
            await client.send({**message, "id": f"m{number}"})
        answers = [heard for heard in await gather_heard(client) if "id" in heard]
        assert [answer["id"] for answer in answers] == [f"m{number}" for number in range(7)]
        said = [answer.get("code", "ok") for answer in answers]
        assert said == ["unauthenticated", "ok", "ok", "ok", "ok", "ok", "forbidden"]
        assert [visit.reason for visit in visits(world, 1)] == ["left"]


class LongLived:
    """A socket for many bursts: another one after twenty, or when the hub closed it."""

    def __init__(self, running: Running, stack: AsyncExitStack) -> None:
        self._running = running
        self._stack = stack
        self._client: Client | None = None
        self._uses = 0

    async def client(self) -> Client:
        """The socket for one burst."""
        self._uses += 1
        if self._client is None or self._client.socket.state is not State.OPEN or self._uses % 20 == 0:
            await self._stack.aclose()
            self._client = await self._stack.enter_async_context(Client.at(self._running))
        return self._client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def long_lived(world: Running) -> AsyncIterator[LongLived]:
    """For the noise."""
    async with AsyncExitStack() as stack:
        yield LongLived(world, stack)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([1, 2, 3])
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
kinds = st.sampled_from(["auth", "watch", "unwatch", "join", "leave", "roster", "ping", "shout"])
names = st.sampled_from(["id", "session", "sessions", "token", "catalog", "extra"])
near = st.fixed_dictionaries({"type": kinds}).flatmap(
    lambda message: st.dictionaries(names, scalars | st.lists(scalars, max_size=3), max_size=3).map(
        lambda more: {**message, **more}
    )
)
right = st.one_of(
    st.builds(lambda kind, session: {"type": kind, "session": session}, kinds, st.integers(1, 3)),
    st.builds(
        lambda ids, catalog: {"type": "watch", "sessions": ids, "catalog": catalog}, st.just([1, 2]), st.booleans()
    ),
    st.builds(lambda who: {"type": "auth", "token": token(who)}, st.sampled_from(["ann", "bob"])),
)
frames = st.one_of(st.text(max_size=60), st.one_of(anything, near, right).map(json.dumps))


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(burst=st.lists(frames, min_size=1, max_size=6))
async def test_no_frames_whatever_are_ever_our_fault(long_lived: LongLived, burst: list[str]) -> None:
    client = await long_lived.client()
    try:
        for frame in burst:
            await client.socket.send(frame)
        heard: list[dict[str, Any]] = await gather_heard(client)
    except ConnectionClosed:
        assert client.socket.close_code in CLOSE_CODES
        heard = client.heard
    assert [message for message in heard if message.get("code") == "internal"] == []


async def test_after_all_that_the_hub_serves_on(world: Running) -> None:
    async with asyncio.timeout(PATIENCE), Client.at(world, "ann") as ann:
        await inside(ann, 1)
        assert (await ann.ask(type="leave", session=1))["type"] == "ok"
