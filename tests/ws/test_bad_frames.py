"""What is wrong on a socket is refused by its name, or ends it with a code of the table; nothing is ever our fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.bad_frames import ALL, Frame
from tests.running import PATIENCE, Client, Running, token
from tests.sockets import ended, gather_heard, inside
from tests.stored import Looks, visits

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(shared: Running) -> Looks:
    """Session 1 with Ann's seat, and session 2, which has ended."""
    assert (await shared.create())["id"] == 1
    assert (await shared.create())["id"] == 2
    await shared.book(1, "ann")
    await shared.start(2)
    await shared.call("PATCH", "/2/end")
    looks = Looks(shared)
    looks.look()
    return looks


@pytest.fixture
def changing(world: Looks) -> Iterator[Running]:
    """For what is good: what it changes, no wrong frame did."""
    yield world.running
    world.look()


@pytest.mark.parametrize("frame", ALL, ids=lambda frame: frame.name)
async def test_a_wrong_frame_is_refused_and_changes_nothing(world: Looks, frame: Frame) -> None:
    role = "expert" if frame.who == "e-7" else "student"
    async with Client.at(world.running, frame.who, role) as client:
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
    before, after = world.look()
    assert after == before


async def test_no_wrong_frame_is_told_twice() -> None:
    names = [frame.name for frame in ALL]
    assert len(names) == len(set(names)) >= 100


async def test_joins_leaves_and_auths_in_one_breath_are_done_in_order(changing: Running) -> None:
    async with Client.at(changing) as client:
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
        assert [visit.reason for visit in visits(changing, 1)] == ["left"]


async def test_after_all_that_the_hub_serves_on(changing: Running) -> None:
    async with asyncio.timeout(PATIENCE), Client.at(changing, "ann") as ann:
        await inside(ann, 1)
        assert (await ann.ask(type="leave", session=1))["type"] == "ok"
