"""How a client ends: with a word to the hub, or without one; and what its callers may do twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from hub.client import Ejected, Hub, SessionState, connect
from hub.client.talk import Talk
from tests.proxy import Proxy
from tests.pyclient.ears import Ears
from tests.running import PATIENCE, Running, running, token

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub whose grace is longer than anyone here waits."""
    async with running(tmp_path_factory.mktemp("closing"), leave_grace_seconds=60) as listening:
        yield listening


async def seat(hub: Running) -> int:
    """A new session with a seat for ann."""
    session: int = (await hub.create())["id"]
    await hub.book(session, "ann")
    return session


def as_ann(hub: Running, url: str = "") -> Hub:
    """A client for her."""
    return connect(url or hub.url, token=lambda: token("ann"))


async def left(hub: Running, session: int) -> list[str | None]:
    """Why each visit of hers ended; None for one that goes on."""
    answer = await hub.call("GET", f"/{session}/attendance")
    return [visit["reason"] for person in answer.json()["data"]["people"] for visit in person["visits"]]


async def test_who_closes_has_left_when_it_is_closed(hub: Running) -> None:
    session = await seat(hub)
    async with as_ann(hub) as ann:
        await ann.join(session)
    assert await left(hub, session) == ["left"]


async def test_who_aborts_is_held_by_the_hub(hub: Running) -> None:
    session = await seat(hub)
    async with as_ann(hub) as ann:
        await ann.join(session)
        ann.abort()
        assert ann.connection.name == "stopped"
    assert await left(hub, session) == [None]


async def test_control_who_says_nothing_is_held_by_the_hub(hub: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> list[int]:
        return []

    monkeypatch.setattr(Talk, "leave_all", nothing)
    session = await seat(hub)
    async with as_ann(hub) as ann:
        await ann.join(session)
    assert await left(hub, session) == [None]


async def test_a_hub_that_does_not_answer_is_not_waited_for_for_long(
    hub: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await seat(hub)
    monkeypatch.setattr("hub.client.hub.LEAVE_SECONDS", 0.1)
    async with asyncio.timeout(PATIENCE), Proxy(hub.port) as proxy:
        async with as_ann(hub, f"http://127.0.0.1:{proxy.port}") as ann:
            ears = Ears(ann)
            await ann.join(session)
            proxy.stall()
        assert (ann.connection.name, ann.connection.code, ears.of(Ejected)) == ("stopped", None, [])


async def test_to_close_twice_or_after_the_connection_was_lost_is_nothing(hub: Running) -> None:
    session = await seat(hub)
    async with asyncio.timeout(PATIENCE), Proxy(hub.port) as proxy:
        async with as_ann(hub, f"http://127.0.0.1:{proxy.port}") as ann:
            ears = Ears(ann)
            await ann.join(session)
            proxy.refuse()
            proxy.cut()
            await ears.until(lambda: ann.connection.name == "waiting")
            await ann.close()
        await ann.close()
        assert ann.connection.name == "stopped"


async def test_what_takes_a_listener_away_may_be_called_twice_and_takes_only_that_one(hub: Running) -> None:
    session = await seat(hub)
    told: list[str] = []

    def first(_: SessionState) -> None:
        told.append("first")
        stop_second()

    def second(_: SessionState) -> None:
        told.append("second")

    async with asyncio.timeout(PATIENCE), connect(hub.url) as watcher:
        for stop in [watcher.on(SessionState, first), watcher.on(SessionState, second)]:
            stop()
            stop()
        watcher.on(SessionState, first)
        watcher.on(SessionState, second)()
        stop_second = watcher.on(SessionState, second)
        async for _ in watcher.watch(session):
            break
    assert told == ["first"]


@pytest.mark.parametrize("kind", [Ejected | SessionState, int, "session"], ids=str)
async def test_what_is_no_kind_of_event_is_not_listened_to_in_vain(hub: Running, kind: Any) -> None:
    async with connect(hub.url) as watcher:
        with pytest.raises(TypeError, match="one at a time, not"):
            watcher.on(kind, print)


@pytest.mark.parametrize("what", ["x", "12", b"1", 1.0, True, None, [1, "2"], [[1]]], ids=repr)
async def test_what_is_no_whole_number_is_a_mistake_told_in_a_sentence(hub: Running, what: Any) -> None:
    async with connect(hub.url) as watcher:
        with pytest.raises(TypeError, match=r"^A session's id is a whole number, not "):
            watcher.watch(what)
        for order in (watcher.join, watcher.leave):
            with pytest.raises(TypeError, match=r"^A session's id is a whole number, not "):
                await order(what)
