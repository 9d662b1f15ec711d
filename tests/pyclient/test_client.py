"""The client against real hubs: what is wanted is there again after each end, and what is refused is told."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from hub.client import (
    CatalogChanged,
    Connection,
    Ejected,
    Hub,
    Joined,
    PersonChanged,
    Refusal,
    Refused,
    RosterChanged,
    SessionState,
    connect,
)
from hub.sockets import closing
from hub.sockets.closing import Close
from tests.proxy import Direction, Proxy
from tests.pyclient.ears import Ears
from tests.running import PATIENCE, START_PATIENCE, Running, bearer, free_port, kill, running, spawn, token

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub in this process; each test makes its own sessions."""
    async with running(tmp_path_factory.mktemp("client")) as listening:
        yield listening


def as_student(hub: Running, sub: str, url: str = "") -> Hub:
    """A client for this person."""
    return connect(url or hub.url, token=lambda: token(sub))


async def seat(hub: Running, sub: str) -> int:
    """A new session with a seat for this person; its id."""
    session: int = (await hub.create())["id"]
    await hub.book(session, sub)
    return session


async def test_a_session_is_watched_joined_and_left(alone: Running) -> None:
    session = await seat(alone, "ann")
    async with asyncio.timeout(PATIENCE), as_student(alone, "ann") as ann, connect(alone.url) as watcher:
        lives = aiter(watcher.watch(session))
        assert (await anext(lives)).live == 0
        visit = await ann.join(session)
        assert visit.participant
        assert visit.meeting is not None
        assert (await anext(lives)).live == 1
        assert ann.is_in(session)
        await ann.leave(session)
        assert (await anext(lives)).live == 0
        assert not ann.is_in(session)


async def test_people_see_each_other_come_and_go(alone: Running) -> None:
    session = await seat(alone, "ann")
    await alone.book(session, "bob")
    async with as_student(alone, "ann") as ann, as_student(alone, "bob") as bob:
        ears = Ears(ann)
        await ann.join(session)
        await bob.join(session)
        await ears.until(lambda: [*(ann.roster(session) or ())] == ["ann", "bob"])
        await bob.leave(session)
        await ears.until(lambda: [*(ann.roster(session) or ())] == ["ann"])
        assert [one.id for one in ears.of(RosterChanged)[-1].left] == ["bob"]


async def test_a_slow_reader_gets_the_newest_state_and_no_backlog(alone: Running) -> None:
    session = (await alone.create())["id"]
    async with asyncio.timeout(PATIENCE), connect(alone.url) as hub:
        ears = Ears(hub)
        states = aiter(hub.watch(session))
        first = await anext(states)
        for number in range(8):
            await alone.book(session, f"s-{number}")
        await ears.until(lambda: ears.of(SessionState)[-1].participants == 8)
        assert len(ears.of(SessionState)) > 2
        assert (first.participants, (await anext(states)).participants) == (0, 8)


async def test_leaving_a_loop_is_letting_go(alone: Running) -> None:
    session = (await alone.create())["id"]
    async with asyncio.timeout(PATIENCE), connect(alone.url) as hub:
        async for _ in hub.watch(session):
            break
        await _let_go(hub, session)
        with hub.watch(session) as states:
            async for state in states:
                assert state.session == session
                break
        await _let_go(hub, session)


async def _let_go(hub: Hub, session: int) -> None:
    """Wait until nobody follows it: a loop that was left is closed by the next turns of the event loop."""
    for _ in range(100):
        if hub.state(session) is None:
            return
        await asyncio.sleep(0)
    raise AssertionError("it is still followed")


async def test_a_session_that_does_not_exist_ends_the_loop(alone: Running) -> None:
    async with asyncio.timeout(PATIENCE), connect(alone.url) as hub:
        with pytest.raises(Refusal, match="There is no session 999999") as refused:
            async for _ in hub.watch(999_999):
                pass
        assert (refused.value.code, refused.value.session) == ("not_found", 999_999)


async def test_the_catalog_tells_of_new_sessions(alone: Running) -> None:
    async with asyncio.timeout(PATIENCE), connect(alone.url) as hub:
        ears = Ears(hub)
        changes = aiter(hub.watch_catalog())
        await hub.opened()
        coming = asyncio.ensure_future(anext(changes))
        while not coming.done():  # it is followed once that has come to the hub
            await alone.create(title="Goats")
            await asyncio.wait([coming], timeout=0.1)
        assert (await coming).session["title"] == "Goats"
        assert ears.of(CatalogChanged)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_a_hub_that_ends_and_comes_again_finds_us_where_we_were(tmp_path: Path, how: signal.Signals) -> None:
    port = free_port()
    first = await spawn(tmp_path, port, HUB_LEAVE_GRACE_SECONDS="2")
    try:
        session = await seat(first, "ann")
        async with as_student(first, "ann") as ann, connect(first.url) as watcher:
            ears, seen = Ears(ann), Ears(watcher)
            watcher.watch(session)
            await ann.join(session)
            await seen.until(lambda: seen.of(SessionState)[-1:] and seen.of(SessionState)[-1].live == 1)
            await kill(first, how)
            second = await spawn(tmp_path, port, HUB_LEAVE_GRACE_SECONDS="2")
            try:
                ann.retry()  # the process took its time to start
                watcher.retry()
                await ears.until(lambda: [one.again for one in ears.of(Joined)] == [False, True])
                await seen.until(lambda: watcher.connection.name == "open")
                await asyncio.wait_for(_live(second, session, 1), START_PATIENCE)
            finally:
                await kill(second)
        ends = [one.code for one in ears.of(Connection) if one.name == "waiting"]
        assert ends[0] == (1012 if how is signal.SIGTERM else 1006)
        assert ears.of(Ejected) == []
    finally:
        await kill(first)


async def _live(hub: Running, session: int, people: int) -> None:
    """Wait until so many are present; those of a killed process are, until its lease is over."""
    async with connect(hub.url) as fresh:
        async for state in fresh.watch(session):
            if state.live == people:
                return


async def test_a_network_that_holds_everything_back_is_found_out(
    alone: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await seat(alone, "ann")
    async with Proxy(alone.port) as proxy:
        async with as_student(alone, "ann", f"http://127.0.0.1:{proxy.port}") as ann:
            ears = Ears(ann)
            await ann.join(session)
            proxy.stall()
            monkeypatch.setattr("hub.client.machine.PING_SECONDS", 0.1)
            for module in ("orders", "talk", "machine"):
                monkeypatch.setattr(f"hub.client.{module}.ANSWER_SECONDS", 0.5)
            ann.watch(session)  # it looks at the clock
            await ears.until(lambda: ann.connection.name == "waiting")
            assert ann.connection.reason == "The hub did not answer."
            proxy.flow()
            await ears.until(lambda: ears.of(Joined)[-1].again)
    assert ears.of(Ejected) == []


async def test_short_tokens_are_renewed_and_the_person_stays(alone: Running) -> None:
    session = await seat(alone, "ann")
    async with connect(alone.url, token=lambda: token("ann", ttl=6)) as ann:
        ears = Ears(ann)
        await ann.join(session)
        await ears.until(lambda: len(ears.of(PersonChanged)) == 2)
        assert [one.name for one in ears.of(Connection)] == ["open"]
        ends = [one.person.expires_at for one in ears.of(PersonChanged) if one.person]
        assert ends == sorted(set(ends))


async def test_a_token_that_is_not_renewed_ends_what_it_was_for(alone: Running) -> None:
    session = await seat(alone, "ann")
    short = token("ann", ttl=3)
    async with connect(alone.url, token=lambda: short) as ann:
        ears = Ears(ann)
        await ann.join(session)
        await ears.until(lambda: ears.of(Refused))
        assert [one.code for one in ears.of(Connection) if one.name == "waiting"] == [4401]
        await ears.until(lambda: ears.of(Ejected))


async def test_a_refused_token_leaves_a_watcher_until_somebody_signs_in(alone: Running) -> None:
    session = await seat(alone, "ann")
    tokens = ["no token", "no token", token("ann")]
    async with connect(alone.url, token=lambda: tokens.pop(0)) as hub:
        ears = Ears(hub)
        hub.watch(session)
        await ears.until(lambda: ears.of(Refused) and ears.of(SessionState))
        with pytest.raises(Refusal, match="Say who you are first"):
            await hub.join(session)
        hub.sign_in()
        await hub.join(session)
        assert hub.person is not None
        assert hub.person.user == "ann"


async def later(answer: str) -> str:
    """As one that another server is asked for."""
    await asyncio.sleep(0)
    return answer


async def test_a_token_may_take_its_time_and_asking_for_it_may_fail(alone: Running) -> None:
    session = await seat(alone, "ann")
    turns: list[Callable[[], Awaitable[str]]] = [lambda: later(""), lambda: later(token("ann"))]

    async def fresh() -> str:
        told = await turns.pop(0)()
        if not told:
            raise ConnectionError("away")
        return told

    async with connect(alone.url, token=fresh) as ann:
        ears = Ears(ann)
        await ann.join(session)
        assert [one.name for one in ears.of(Connection)] == ["open"]


async def test_a_cancelled_seat_puts_us_out(alone: Running) -> None:
    session = await seat(alone, "ann")
    async with as_student(alone, "ann") as ann:
        ears = Ears(ann)
        await ann.join(session)
        await alone.call("DELETE", f"/{session}/book", bearer("ann"))
        await ears.until(lambda: ears.of(Ejected))
        assert ears.of(Ejected)[0].code == "not_booked"
        assert not ann.is_in(session)


@pytest.mark.parametrize(
    "close",
    [closing.TOO_LARGE, closing.NOT_OUR_PROTOCOL, closing.SENT_AWAY, closing.TOO_SLOW],
    ids=lambda one: one.code,
)
async def test_who_is_sent_away_stays_away_and_who_was_too_slow_comes_back(alone: Running, close: Close) -> None:
    session = (await alone.create())["id"]
    async with asyncio.timeout(PATIENCE), connect(alone.url) as hub:
        ears = Ears(hub)
        states = aiter(hub.watch(session))
        await anext(states)
        assert alone.hub is not None
        for connection in list(alone.hub.lobby.connections):
            connection.close(close)
        if close.come_back:
            await ears.until(
                lambda: [one.name for one in ears.of(Connection)][-3:] == ["waiting", "connecting", "open"]
            )
        else:
            with pytest.raises(Refusal, match=close.reason):
                await anext(states)
            assert hub.connection == Connection("stopped", None, close.code, close.reason)
            with pytest.raises(Refusal):
                await hub.opened()


async def test_a_hub_that_lets_nobody_in_is_asked_again_when_it_said(alone: Running) -> None:
    assert alone.hub is not None
    alone.hub.lobby.draining = True
    async with connect(alone.url) as hub:
        ears = Ears(hub)
        await ears.until(lambda: hub.connection.name == "waiting")
        assert hub.connection.reason == "HTTP status 503"
        assert hub.connection.retry_in is not None
        assert hub.connection.retry_in >= 1
        alone.hub.lobby.draining = False
        hub.retry()
        await ears.until(lambda: hub.connection.name == "open")


async def test_who_stops_waiting_to_be_let_in_is_not_in(alone: Running) -> None:
    session = await seat(alone, "ann")
    async with Proxy(alone.port) as proxy, as_student(alone, "ann", f"http://127.0.0.1:{proxy.port}") as ann:
        proxy.refuse()
        ears = Ears(ann)
        joining = asyncio.ensure_future(ann.join(session))
        await ears.until(lambda: ann.connection.name == "waiting")
        joining.cancel()
        proxy.accept()
        await ears.until(lambda: ann.connection.name == "open")
        await ann.leave(session)  # answered after what was asked before
        assert ears.of(Joined) == []


async def test_a_listener_that_fails_disturbs_nobody(alone: Running, caplog: pytest.LogCaptureFixture) -> None:
    session = (await alone.create())["id"]
    async with asyncio.timeout(PATIENCE), connect(alone.url) as hub:
        hub.on(SessionState, lambda _: 1 / 0)  # type: ignore[arg-type]  # a listener that answers something
        async for state in hub.watch(session):
            assert state.live == 0
            break
    assert "a listener failed" in caplog.text


async def test_the_token_is_never_in_the_address_or_the_handshake(alone: Running) -> None:
    chunks: list[bytes] = []

    def see(way: Direction, chunk: bytes) -> bool:
        if way == "to_server":
            chunks.append(chunk)
        return False

    async with asyncio.timeout(PATIENCE), Proxy(alone.port) as proxy:
        proxy.cut_when(see)
        bearer_of_ann = token("ann")
        async with connect(f"http://127.0.0.1:{proxy.port}", token=lambda: bearer_of_ann) as ann:
            await ann.opened()
    assert chunks[0].startswith(b"GET /ws HTTP/1.1\r\n")
    assert bearer_of_ann.encode() not in chunks[0]
    assert len(chunks) > 1
