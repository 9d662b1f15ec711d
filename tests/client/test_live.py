"""The JavaScript client on real hubs, in Node and in Chromium from another origin: cut, killed, stopped, stalled."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.client.javascript import without
from tests.client.steering import DRIVER, Steered, in_chromium, in_node, site
from tests.faults.nodes import LONG
from tests.processes import free_port
from tests.proxy import Proxy
from tests.running import Client, Running, bearer, kill, running, spawn, token

pytestmark = pytest.mark.asyncio(loop_scope="session")

RESTARTS = 20 if LONG else 1
Steering = Callable[..., AbstractAsyncContextManager[Steered]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def origin() -> AsyncIterator[str]:
    """The origin of the pages that import the client."""
    async with site(DRIVER) as address:
        yield address


@pytest.fixture(params=["node", "chromium"])
def steering(request: pytest.FixtureRequest, origin: str, browser: Browser) -> Steering:
    """Clients of whatever hub: `steering(url, sub)`."""
    return in_node if request.param == "node" else partial(in_chromium, browser, origin)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(tmp_path_factory: pytest.TempPathFactory, origin: str) -> AsyncIterator[Running]:
    """A hub with a long grace."""
    async with running(
        tmp_path_factory.mktemp("client"), allowed_origins=frozenset({origin}), leave_grace_seconds=10
    ) as listening:
        yield listening


async def seats(hub: Running, *subs: str, **changes: Any) -> int:
    """A new session with a seat for each of these people."""
    session_id: int = (await hub.create(**changes))["id"]
    for sub in subs:
        await hub.book(session_id, sub)
    return session_id


async def visits(hub: Running, session_id: int) -> dict[str, list[str | None]]:
    """Why each person's visits ended, in order; None for one that goes on."""
    answer = await hub.call("GET", f"/{session_id}/attendance")
    people = answer.json()["data"]["people"]
    return {person["id"]: [visit["reason"] for visit in person["visits"]] for person in people}


async def test_a_session_is_watched_joined_seen_and_left(hub: Running, steering: Steering) -> None:
    session = await seats(hub, "ann", meetingUrl="https://meet.example/1")
    async with steering(hub.url) as watcher, steering(hub.url, "ann") as ann:
        await watcher.event("connection", name="open")
        await watcher.do("watchCatalog")
        await watcher.do("watch", [session, 999_999])
        assert (await watcher.event("missing"))["session"] == 999_999
        assert (await ann.do("join", session))["meeting"] == {"url": "https://meet.example/1", "password": None}
        assert (await ann.event("roster"))["people"] == ["ann"]
        await watcher.event("session", session=session, live=1)
        await hub.start(session)
        await watcher.event("session", status="active")
        assert (await watcher.event("catalog"))["session"]["id"] == session
        assert await ann.do("leave", session) is None
        assert (await ann.event("roster"))["people"] is None
        await watcher.event("session", live=0)
        assert (await watcher.do("join", session))["code"] == "unauthenticated"
        revisions = [state["revision"] for state in watcher.of("session")]
        assert revisions == sorted(set(revisions))
    assert await visits(hub, session) == {"ann": ["left"]}


async def test_a_cut_is_not_seen_by_anyone_and_nothing_flickers(hub: Running, steering: Steering) -> None:
    session = await seats(hub, "ann")
    async with Proxy(hub.port) as proxy, Client.at(hub) as other:
        await other.ask(type="watch", sessions=[session])
        async with steering(f"http://127.0.0.1:{proxy.port}", "ann") as ann:
            await ann.do("join", session)
            await ann.event("roster", people=["ann"])
            await other.expect("session", live=1)
            for _ in range(3):
                proxy.cut()
                await ann.event("connection", name="waiting")
                seen = await ann.do("see", session)
                assert (seen["isIn"], seen["people"], seen["state"]["live"]) == (True, ["ann"], 1)
                await ann.event("joined", again=True)
                await ann.event("connection", name="open")
            assert [told["people"] for told in ann.of("roster")] == [["ann"]]
            assert {told["live"] for told in ann.of("session")[1:]} <= {1}
            assert [heard["live"] for heard in await other.silence(0.2)] == []


async def test_a_hub_that_is_killed_and_started_again_finds_everyone_back(
    tmp_path: Path, origin: str, browser: Browser
) -> None:
    serve = partial(spawn, tmp_path, free_port(), HUB_ALLOWED_ORIGINS=origin)
    hub = await serve()
    try:
        session = await seats(hub, "ann")
        async with in_node(hub.url, "ann") as ann, in_chromium(browser, origin, hub.url) as watcher:
            await watcher.do("watch", [session])
            await ann.do("join", session)
            await watcher.event("session", live=1)
            for _ in range(RESTARTS):
                await kill(hub)
                await watcher.event("connection", name="waiting")
                hub = await serve()
                for client in (ann, watcher):
                    await client.do("retry")  # who has tried for long waits for long
                await ann.event("joined", again=True)
                await watcher.event("connection", name="open")
                assert (await watcher.do("see", session))["state"]["live"] == 1
            lives = [told["live"] for told in watcher.of("session")]
            assert lives == sorted(lives)  # nobody was seen to leave
            answer = await hub.call("GET", f"/{session}/participants")
            assert [person["id"] for person in answer.json()["data"]] == ["ann"]
    finally:
        await kill(hub)


async def test_a_hub_that_is_stopped_is_come_back_to_and_one_that_began_anew_believed(tmp_path: Path) -> None:
    port, anew = free_port(), tmp_path / "anew"
    anew.mkdir()
    async with running(anew) as another:
        session = await seats(another)
    hub = await spawn(tmp_path, port, HUB_LEAVE_GRACE_SECONDS="4")
    try:
        assert await seats(hub, "ann") == session
        async with in_node(hub.url, "ann") as ann:
            await ann.do("watch", [session])
            await ann.do("join", session)
            await kill(hub, signal.SIGTERM)
            # Node tells a close whose TCP connection was reset right behind it now and then as a lost one.
            assert (await ann.event("connection", name="waiting"))["code"] in (1012, 1006)
            hub = await spawn(tmp_path, port)
            assert (await ann.event("joined", again=True))["session"] == session
            await ann.event("connection", name="open")
            assert {told["live"] for told in ann.of("session")[1:]} <= {1}
            await kill(hub)
            hub = await spawn(anew, port)
            await ann.do("retry")
            await ann.event("connection", name="open")
            assert [told["code"] for told in ann.of("ejected")] == ["not_booked"]
            assert ann.of("session")[-1]["revision"] == 1
    finally:
        await kill(hub)


async def test_a_short_token_is_renewed_on_the_same_socket(hub: Running) -> None:
    session = await seats(hub, "ann")
    async with in_node(hub.url, "ann") as ann:
        ann.tokens = lambda: token("ann", ttl=4.0)
        await ann.do("join", session)
        first, second = await ann.event("person"), await ann.event("person")
        assert first["expiresAt"] < second["expiresAt"]
        assert [told["name"] for told in ann.of("connection")] == ["open"]
    assert len((await visits(hub, session))["ann"]) == 1


async def test_a_token_that_ends_unrenewed_leaves_and_a_new_one_comes_back(hub: Running, steering: Steering) -> None:
    session = await seats(hub, "ann")
    gave: list[str] = []

    def once() -> str:
        gave[:] = gave or [token("ann", ttl=2.0)]
        return gave[0]

    async with steering(hub.url, "ann") as ann:
        ann.tokens = once
        await ann.do("join", session)
        away = await ann.event("connection", code=4401)
        assert away["name"] == "waiting"
        assert (await ann.event("refused"))["code"] == "token_expired"
        assert ann.of("ejected")[0]["session"] == session
        await ann.event("connection", name="open")
        ann.tokens = lambda: token("ann")
        await ann.do("signIn")
        await ann.event("person", user="ann")
        await ann.do("join", session)
    assert (await visits(hub, session))["ann"][0] == "token_expired"


async def test_another_persons_token_gets_a_socket_of_its_own(hub: Running) -> None:
    session = await seats(hub, "ann")
    gave = iter([token("ann", ttl=2.0)])
    async with in_node(hub.url, "ann") as ann:
        ann.tokens = lambda: next(gave, token("bob"))
        await ann.do("join", session)
        await ann.event("person", user="bob")
        assert [(told["session"], told["code"]) for told in ann.of("ejected")] == [(session, "forbidden")]
        assert (await ann.do("see", session))["isIn"] is False


async def test_who_loses_the_seat_or_sees_the_end_is_out(hub: Running) -> None:
    session = await seats(hub, "ann", "bob")
    async with in_node(hub.url, "ann") as ann, in_node(hub.url, "bob") as bob:
        for someone in (ann, bob):
            await someone.do("join", session)
        await hub.start(session)
        await hub.call("DELETE", f"/{session}/book", bearer("ann"))
        assert (await ann.event("ejected"))["code"] == "not_booked"
        await bob.event("session", status="active", live=1)
        await hub.call("PATCH", f"/{session}/end")
        assert (await bob.event("ejected"))["code"] == "not_active"
        assert (await bob.do("join", session))["code"] == "not_active"


async def test_too_many_connections_of_a_person_pause_for_ten_seconds(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections_per_person=1) as hub:
        async with Client.at(hub, "ann"), in_node(hub.url, "ann") as ann:
            await ann.event("connection", code=4429)
            seen = await ann.do("see", 1)
            assert seen["connection"]["retryAt"] - seen["now"] > 9_000


async def test_only_an_allowed_origin_gets_a_socket_though_all_may_import(hub: Running, browser: Browser) -> None:
    async with site(DRIVER) as elsewhere:
        async with in_chromium(browser, elsewhere, hub.url) as stranger:
            await stranger.event("connection", name="waiting")
            assert "open" not in [told["name"] for told in stranger.of("connection")]


async def test_a_network_that_stalls_is_found_out_and_left(hub: Running) -> None:
    session = await seats(hub, "ann")
    async with Proxy(hub.port) as proxy, in_node(f"http://127.0.0.1:{proxy.port}", "ann", times=50) as ann:
        await ann.do("join", session)
        proxy.stall()
        away = await ann.event("connection", name="waiting")
        assert away["reason"] == "The hub did not answer a ping."
        await ann.event("connection", reason="The hub did not answer.")  # nor does it welcome
        proxy.flow()
        await ann.event("joined", again=True)


async def test_a_roster_that_is_closed_to_participants_is_gone_and_comes_back(hub: Running) -> None:
    session = await seats(hub, "ann", "bob", "cid")
    async with in_node(hub.url, "ann", times=20) as ann, Client.at(hub, "bob") as bob, Client.at(hub, "cid") as cid:
        await bob.ask(type="join", session=session)
        await ann.do("join", session)
        await ann.event("roster", people=["bob", "ann"])
        await hub.call("PATCH", f"/{session}", json={"rosterVisibility": "host"})
        await bob.ask(type="leave", session=session)
        await ann.event("roster", people=None)
        await hub.call("PATCH", f"/{session}", json={"rosterVisibility": "participants"})
        await cid.ask(type="join", session=session)
        await ann.event("roster", people=["ann", "cid"])


async def test_control_without_coming_back_a_cut_is_the_end(hub: Running, tmp_path: Path) -> None:
    broken = without(tmp_path, {"() => this.#connect(), retryAt - now": "() => {}, 0"}, "hub-line.js")
    async with Proxy(hub.port) as proxy:
        async with in_node(f"http://127.0.0.1:{proxy.port}", client=broken.as_uri(), times=20) as watcher:
            await watcher.event("connection", name="open")
            proxy.cut()
            await watcher.event("connection", name="waiting")
            with pytest.raises(TimeoutError):
                await watcher.event("connection", within=1, name="open")
