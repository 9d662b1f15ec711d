"""Who a socket speaks for, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from tests.running import SECRET, Client, Running, bearer, now, running, token
from tests.sockets import dial, ended, inside
from tests.stored import visits

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ending_at(end: datetime, sub: str) -> str:
    """A student's token that ends at a whole second."""
    claims = {"sub": sub, "role": "student", "name": sub, "exp": int(end.timestamp())}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def soon() -> datetime:
    """A whole second that comes in one or two."""
    return datetime.fromtimestamp(int(now().timestamp()) + 2, UTC)


async def test_auth_answers_who_as_what_and_until_when(shared: Running) -> None:
    async with Client.at(shared) as client:
        answer = await client.ask(type="auth", token=token("ann", ttl=600))
        assert answer.keys() == {"type", "id", "user", "role", "expiresAt"}
        assert (answer["user"], answer["role"]) == ("ann", "student")
        assert 590 < (datetime.fromisoformat(answer["expiresAt"]) - now()).total_seconds() <= 600


async def test_the_header_of_the_upgrade_does_the_same(shared: Running) -> None:
    session = await shared.create()
    await shared.book(session["id"], "ann")
    async with dial(shared, headers=bearer("ann")) as client:
        assert (await client.expect("welcome"))["protocol"] == 1
        assert (await client.ask(type="join", session=session["id"]))["type"] == "ok"
        assert [visit.user for visit in visits(shared, session["id"])] == ["ann"]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer nonsense", "unauthenticated"),
        ("Bearer", "unauthenticated"),
        ("Basic YTpi", "unauthenticated"),
        ("Bearer " + token("ann", ttl=-5), "token_expired"),
        ("Bearer " + jwt.encode({"sub": "a", "exp": 4e9}, "x" * 32, algorithm="HS256"), "unauthenticated"),
    ],
)
async def test_a_refused_header_is_let_in_told_why_and_closed(shared: Running, header: str, code: str) -> None:
    async with dial(shared, headers={"Authorization": header}) as client:
        assert await ended(client) == 4401
        assert [heard["type"] for heard in client.heard] == ["welcome", "error"]
        assert client.heard[1]["code"] == code


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("", "unauthenticated"),
        ("nonsense", "unauthenticated"),
        ("ü.ü.ü", "unauthenticated"),
        ("a" * 9_000, "unauthenticated"),
        (token("ann", ttl=-1), "token_expired"),
        (token("ann")[:-2], "unauthenticated"),
        (jwt.encode({"sub": "a", "role": "expert", "exp": 4_000_000_000}, "", algorithm="none"), "unauthenticated"),
        (jwt.encode({"sub": "a", "role": "admin", "exp": 4_000_000_000}, SECRET, algorithm="HS256"), "unauthenticated"),
        (jwt.encode({"role": "student", "exp": 4_000_000_000}, SECRET, algorithm="HS256"), "unauthenticated"),
        (jwt.encode({"sub": "a", "role": "student"}, SECRET, algorithm="HS256"), "unauthenticated"),
        (
            jwt.encode({"sub": "a", "role": "student", "exp": "4000000000"}, SECRET, algorithm="HS256"),
            "unauthenticated",
        ),
        (
            jwt.encode({"sub": "a", "role": "student", "exp": float("inf")}, SECRET, algorithm="HS256"),
            "unauthenticated",
        ),
        (jwt.encode({"sub": "a", "role": "student", "exp": 10**30}, SECRET, algorithm="HS256"), "unauthenticated"),
        (jwt.encode({"sub": "a", "role": ["expert"], "exp": 4e9}, SECRET, algorithm="HS256"), "unauthenticated"),
    ],
)
async def test_a_refused_token_leaves_the_socket_open_and_anonymous(shared: Running, bad: str, code: str) -> None:
    async with Client.at(shared) as client:
        answer = await client.ask(type="auth", token=bad)
        assert (answer["type"], answer["code"]) == ("error", code)
        assert (await client.ask(type="join", session=1))["code"] == "unauthenticated"
        assert (await client.ask(type="auth", token=token("ann")))["type"] == "ok"


@pytest.mark.parametrize("other", [token("bob"), token("ann", "expert")])
async def test_another_persons_token_is_refused_and_changes_nothing(shared: Running, other: str) -> None:
    session = await shared.create()
    await shared.book(session["id"], "ann")
    async with Client.at(shared, "ann") as client:
        answer = await client.ask(type="auth", token=other)
        assert (answer["type"], answer["code"]) == ("error", "forbidden")
        await inside(client, session["id"])
        assert [visit.user for visit in visits(shared, session["id"])] == ["ann"]


async def test_a_token_in_the_address_is_never_taken(shared: Running) -> None:
    mine = token("ann")
    async with dial(shared, query=f"?token={mine}&access_token={mine}&authorization=Bearer%20{mine}") as client:
        assert (await client.ask(type="join", session=1))["code"] == "unauthenticated"


async def test_anonymous_sockets_may_watch_and_not_join(shared: Running) -> None:
    session = await shared.create()
    async with Client.at(shared) as client:
        assert (await client.ask(type="watch", sessions=[session["id"]]))["type"] == "ok"
        await client.expect("session", session=session["id"])
        assert (await client.ask(type="join", session=session["id"]))["code"] == "unauthenticated"
        assert visits(shared, session["id"]) == []


async def test_who_does_not_renew_is_warned_leaves_at_that_instant_and_is_closed(shared: Running) -> None:
    session = await shared.create()
    await shared.book(session["id"], "ann")
    end = soon()
    async with Client.at(shared) as watcher, Client.at(shared) as client:
        await watcher.ask(type="watch", sessions=[session["id"]])
        await watcher.expect("session", live=0)
        assert (await client.ask(type="auth", token=ending_at(end, "ann")))["type"] == "ok"
        assert 0 <= (await client.expect("expiring"))["in"] <= 2
        await inside(client, session["id"])
        await watcher.expect("session", live=1)
        assert await ended(client) == 4401
        assert now() + timedelta(milliseconds=5) >= end  # PostgreSQL's clock, as a process knows it, is not ours
        await watcher.expect("session", live=0)
    (visit,) = visits(shared, session["id"])
    assert (visit.left, visit.reason) == (end, "token_expired")


async def test_who_renews_in_time_stays(shared: Running) -> None:
    session = await shared.create()
    await shared.book(session["id"], "ann")
    end = soon()
    async with Client.at(shared) as client, Client.at(shared) as other:
        await client.ask(type="auth", token=ending_at(end, "ann"))
        await client.expect("expiring")
        await inside(client, session["id"])
        answer = await client.ask(type="auth", token=token("ann"))
        assert datetime.fromisoformat(answer["expiresAt"]) > end
        # Somebody else's token, which ends no earlier than the one that was, and is not renewed.
        assert (await other.ask(type="auth", token=ending_at(soon(), "bob")))["type"] == "ok"
        assert await ended(other) == 4401
        assert now() + timedelta(milliseconds=5) >= end  # as above
        (visit,) = visits(shared, session["id"])
        assert visit.left is None
        assert (await client.ask(type="ping"))["type"] == "pong"


async def test_a_refused_renewal_keeps_the_token_that_was(shared: Running) -> None:
    async with Client.at(shared, "ann") as client:
        assert (await client.ask(type="auth", token=token("ann", ttl=-5)))["code"] == "token_expired"
        assert (await client.ask(type="join", session=999))["code"] == "not_found"


async def test_a_person_has_a_limit_of_sockets_that_frees_itself(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections_per_person=2) as hub:
        async with Client.at(hub, "ann") as first:
            async with Client.at(hub, "ann"), Client.at(hub, "bob"), Client.at(hub) as third:
                await third.send({"type": "auth", "token": token("ann")})
                assert await ended(third) == 4429
                async with dial(hub, headers=bearer("ann")) as fourth:
                    assert await ended(fourth) == 4429
            assert (await first.ask(type="auth", token=token("ann")))["type"] == "ok"
            async with Client.at(hub, "ann") as again:
                await again.ask(type="ping")
