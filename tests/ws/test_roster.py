"""Names: who may see who is present, and that presence adds up to the roster."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.running import Client, Running, running, token
from tests.sockets import Follower, gather_heard, inside
from tests.stored import visits
from tests.walk import Walk

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def names(client: Client, session_id: int) -> list[str]:
    """Ask for the roster, and forget what was heard before."""
    client.heard.clear()
    await client.send({"type": "roster", "session": session_id})
    roster = await client.expect("roster", session=session_id)
    assert [line["joinedAt"] for line in roster["participants"]] == sorted(
        line["joinedAt"] for line in roster["participants"]
    )
    return [line["id"] for line in roster["participants"]]


async def room(hub: Running, *people: str, **changes: Any) -> int:
    """A session where these people hold seats."""
    session_id: int = (await hub.create(**changes))["id"]
    for person in people:
        await hub.book(session_id, person)
    return session_id


async def test_presence_follows_the_roster_by_previous(shared: Running) -> None:
    session_id = await room(shared, "ann", "bob", "cyd")
    async with Client.at(shared, "ann") as ann, Client.at(shared, "bob") as bob, Client.at(shared, "cyd") as cyd:
        await inside(ann, session_id)
        revision = (await ann.expect("roster"))["revision"]
        for client, who in ((bob, "bob"), (cyd, "cyd")):
            await inside(client, session_id)
            news = await ann.expect("presence")
            assert news.keys() == {"type", "session", "revision", "previous", "joined", "left"}
            assert news["previous"] == revision < news["revision"]
            assert [line["id"] for line in news["joined"]] == [who]
            assert news["joined"][0].keys() == {"id", "name", "role", "joinedAt"}
            revision = news["revision"]
        await cyd.ask(type="leave", session=session_id)
        news = await ann.expect("presence")
        assert (news["previous"], news["joined"], news["left"]) == (revision, [], [{"id": "cyd"}])
        assert await names(ann, session_id) == ["ann", "bob"]


async def test_a_second_tab_is_not_a_second_participant(shared: Running) -> None:
    session_id = await room(shared, "ann", "bob")
    async with Client.at(shared, "ann") as ann, Client.at(shared, "bob") as one:
        await inside(ann, session_id)
        await ann.expect("roster")  # or Bob may be in it already
        async with Client.at(shared, "bob") as two:
            await inside(one, session_id)
            await ann.expect("presence")
            await inside(two, session_id)
            assert await names(ann, session_id) == ["ann", "bob"]
            await two.ask(type="leave", session=session_id)
        assert not [heard for heard in await gather_heard(ann) if heard["type"] == "presence"]
        await one.ask(type="leave", session=session_id)
        assert (await ann.expect("presence"))["left"] == [{"id": "bob"}]


async def test_the_host_sees_the_roster_by_watching_alone(shared: Running) -> None:
    session_id = await room(shared, "ann", rosterVisibility="host")
    async with Client.at(shared, "ann") as ann, Client.at(shared, "e-7", "expert") as host:
        await host.ask(type="watch", sessions=[session_id])
        assert (await host.expect("roster"))["participants"] == []
        await inside(ann, session_id)
        assert [line["id"] for line in (await host.expect("presence"))["joined"]] == ["ann"]
        assert await names(host, session_id) == ["ann"]
        assert (await host.ask(type="unwatch", sessions=[session_id]))["type"] == "ok"
        host.heard.clear()
        await ann.ask(type="leave", session=session_id)
        assert await gather_heard(host) == []


async def test_who_watched_first_and_said_who_it_is_later_sees_the_roster_as_host(shared: Running) -> None:
    session_id = await room(shared, "ann")
    async with Client.at(shared) as client, Client.at(shared, "e-7", "expert") as host:
        await client.ask(type="watch", sessions=[session_id])
        await inside(host, session_id)
        assert not [heard for heard in await gather_heard(client) if heard["type"] in ("roster", "presence")]
        await client.ask(type="auth", token=token("e-7", "expert"))
        assert [line["id"] for line in (await client.expect("roster"))["participants"]] == ["e-7"]


async def test_participants_see_no_names_while_the_roster_is_the_hosts(shared: Running) -> None:
    session_id = await room(shared, "ann", "bob", rosterVisibility="host")
    async with Client.at(shared, "ann") as ann, Client.at(shared, "bob") as bob:
        await inside(ann, session_id)
        await inside(bob, session_id)
        assert (await ann.ask(type="roster", session=session_id))["code"] == "forbidden"
        heard = await gather_heard(ann)
        assert {message["type"] for message in heard} <= {"session"}


async def test_watchers_and_other_experts_never_see_names(shared: Running) -> None:
    session_id = await room(shared, "ann", "bob")
    async with (
        Client.at(shared) as anyone,
        Client.at(shared, "bob") as booked,
        Client.at(shared, "e-8", "expert") as expert,
        Client.at(shared, "e-7") as namesake,
        Client.at(shared, "ann") as ann,
    ):
        for client in (anyone, booked, expert, namesake):
            await client.ask(type="watch", sessions=[session_id])
        await inside(ann, session_id)
        for client in (anyone, booked, expert, namesake):
            await client.expect("session", live=1)
            assert (await client.ask(type="roster", session=session_id))["code"] == "forbidden"
            assert {message["type"] for message in await gather_heard(client)} <= {"session"}


async def test_over_the_limit_only_the_host_sees_names(tmp_path: Path) -> None:
    async with running(tmp_path, roster_limit=2) as hub:
        session_id = await room(hub, "ann", "bob", "cyd")
        async with (
            Client.at(hub, "e-7", "expert") as host,
            Client.at(hub, "ann") as ann,
            Client.at(hub, "bob") as bob,
            Client.at(hub, "cyd") as cyd,
        ):
            await host.ask(type="watch", sessions=[session_id])
            for client in (ann, bob):
                await inside(client, session_id)
                await client.expect("roster")
            await ann.expect("presence")
            await inside(cyd, session_id)
            await host.expect("session", live=3)
            for client in (ann, bob, cyd):
                assert not [one for one in await gather_heard(client) if one["type"] in ("roster", "presence")]
                assert (await client.ask(type="roster", session=session_id))["code"] == "forbidden"
            assert await names(host, session_id) == ["ann", "bob", "cyd"]
            await cyd.ask(type="leave", session=session_id)
            await host.expect("session", live=2)
            assert await names(ann, session_id) == ["ann", "bob"]


async def test_who_comes_back_within_the_interval_has_joined_anew(tmp_path: Path) -> None:
    async with running(tmp_path, count_interval_ms=60_000) as hub:
        session_id = await room(hub, "ann", "bob")
        async with Client.at(hub, "ann") as ann, Client.at(hub, "bob") as bob:
            await inside(bob, session_id)
            await inside(ann, session_id)
            await ann.expect("roster")
            await bob.ask(type="leave", session=session_id)
            await inside(bob, session_id)
            await ann.send({"type": "roster", "session": session_id})
            shown = {line["id"]: line["joinedAt"] for line in (await ann.expect("roster"))["participants"]}
            listed = (await hub.call("GET", f"/{session_id}/participants")).json()["data"]
            assert shown == {line["id"]: line["joinedAt"] for line in listed}


@pytest.mark.parametrize("seed", [1])
async def test_followers_of_a_random_walk_end_where_a_fresh_snapshot_does(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    people = [f"p{number}" for number in range(7)]
    async with running(tmp_path, count_interval_ms=5, leave_grace_seconds=0.05) as hub:
        session_id = await room(hub, "stays", *people)
        async with (
            Client.at(hub, "e-7", "expert") as host,
            Client.at(hub) as anyone,
            Client.at(hub, "stays") as stays,
        ):
            followers = [(client, Follower(session_id)) for client in (host, anyone, stays)]
            for client in (host, anyone):
                await client.send({"type": "watch", "sessions": [session_id]})
            await stays.send({"type": "join", "session": session_id})
            walk = Walk(hub, session_id, chance, people)
            for _ in range(150):
                await walk.step()
                if chance.random() < 0.2:
                    client, follower = chance.choice(followers)
                    await follower.catch_up(client)
            await walk.settle()
            async with Client.at(hub, "e-7", "expert") as fresh:
                await fresh.ask(type="watch", sessions=[session_id])
                state, roster = await fresh.expect("session"), await fresh.expect("roster")
            for client, follower in followers:
                while follower.state["revision"] < state["revision"]:
                    follower.hear(await client.expect("session"))
                await follower.catch_up(client)
                assert follower.state == state
            told = {line["id"]: line for line in roster["participants"]}
            assert followers[0][1].people == told == followers[2][1].people
            assert followers[1][1].people == {}
            assert set(told) == {visit.user for visit in visits(hub, session_id) if visit.left is None}
            assert state["live"] == len(told)
            await walk.end()
