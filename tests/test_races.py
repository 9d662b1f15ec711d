"""Everyone at once, over real sockets: the answers are counted, the tables checked, and each check seen to fail.

The negative controls take a protection away, send the same storm and ask the same check, which must then complain.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import Connection

from hub.ledger import Ledger
from tests.running import PATIENCE, Client, Running
from tests.storm import Line, Watched, people_counted, seats_sold_once, storm, tally, tokens, told_truly
from tests.unlocked import run_without_a_lock

figures = logging.getLogger("figures")

CHURN_SECONDS = 20.0 if os.environ.get("HUB_TEST_LONG") == "1" else 2.0
LEAST_ANSWERS = 1_000
"""On a busy machine that takes longer: with a few of them nothing is shown."""


@pytest.fixture
def no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hubs that start after this decide outside the transaction."""
    monkeypatch.setattr(Ledger, "run", run_without_a_lock)


async def without_constraints(hub: Running) -> None:
    """Take the database's own belts off: the checks, and one live booking for each person."""

    def loosen(connection: Connection) -> None:
        connection.exec_driver_sql("DROP INDEX uq_session_bookings_one_live_booking")

    assert hub.hub is not None
    await hub.hub.database.transact(loosen)
    await hub.hub.database.transact(lambda connection: connection.exec_driver_sql("PRAGMA ignore_check_constraints=ON"))


# Many people, few seats.


async def many_for_ten_seats(hub: Running, people: int = 500) -> tuple[dict[str, int], list[str]]:
    """`people` ask for 10 seats at once."""
    session = (await hub.create(maxParticipants=10))["id"]
    crowd = tokens(f"s-{number}" for number in range(people)).values()
    answers = await storm(hub.port, (("POST", f"/{session}/book", bearer) for bearer in crowd))
    return tally(answers), seats_sold_once(hub.where, session)


async def test_of_five_hundred_at_once_for_ten_seats_exactly_ten_get_one(hub: Running) -> None:
    answers, wrong = await many_for_ten_seats(hub)
    assert answers == {"201": 10, "409 session_full": 490}
    assert wrong == []


@pytest.mark.usefixtures("no_lock")
async def test_control_decided_outside_the_lock_seats_are_oversold(alone: Running) -> None:
    answers, wrong = await many_for_ten_seats(alone, 150)
    assert answers["201"] > 10
    assert any(what.startswith("oversold") for what in wrong), wrong


async def test_control_without_the_rule_and_the_check_seats_are_oversold(
    alone: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await without_constraints(alone)
    monkeypatch.setattr("hub.domain.booking.has_room", lambda live, now: True)
    answers, wrong = await many_for_ten_seats(alone)
    assert answers == {"201": 500}
    assert wrong == ["oversold: 500 of 10"]


async def test_control_without_the_rule_alone_the_check_of_the_table_still_holds(
    alone: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.domain.booking.has_room", lambda live, now: True)
    answers, wrong = await many_for_ten_seats(alone, 60)
    assert answers == {"201": 10, "500 internal": 50}
    assert wrong == []


# One person, many times.


async def one_person_fifty_times(hub: Running) -> tuple[dict[str, int], list[str]]:
    """The same person books 50 times at once."""
    session = (await hub.create())["id"]
    bearer = tokens(["ann"])["ann"]
    answers = await storm(hub.port, [("POST", f"/{session}/book", bearer)] * 50)
    return tally(answers), seats_sold_once(hub.where, session)


async def test_the_same_person_fifty_times_at_once_books_once(hub: Running) -> None:
    answers, wrong = await one_person_fifty_times(hub)
    assert answers == {"201": 1, "409 already_booked": 49}
    assert wrong == []


async def test_control_with_a_blind_rule_and_no_index_one_person_books_twice(
    alone: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await without_constraints(alone)
    monkeypatch.setattr("hub.domain.model.LiveSession.booking_of", lambda live, user_id: None)
    answers, wrong = await one_person_fifty_times(alone)
    assert answers == {"201": 50}
    assert wrong == ["booked twice: ann 50 times"]


# People who change their mind.


async def churn(hub: Running, seconds: float) -> tuple[dict[str, int], list[str]]:
    """60 people book and cancel 5 seats for some seconds, until LEAST_ANSWERS are there."""
    session = (await hub.create(maxParticipants=5))["id"]
    answers: list[str] = []
    over = asyncio.get_running_loop().time() + seconds

    async def change_mind(bearer: str, chance: random.Random) -> None:
        async with Line.to(hub.port) as line:
            while asyncio.get_running_loop().time() < over or len(answers) < LEAST_ANSWERS:
                method = chance.choice(("POST", "POST", "DELETE"))
                answers.append(f"{method} {(await line.ask(method, f'/{session}/book', bearer)).what}")

    async with Watched.at(hub, session) as watched:
        async with asyncio.TaskGroup() as crowd:
            for number, bearer in enumerate(tokens(f"s-{number}" for number in range(60)).values()):
                crowd.create_task(change_mind(bearer, random.Random(number)))
        await watched.until_now(hub)
    assert len(watched.states) > 2
    return dict(Counter(answers)), seats_sold_once(hub.where, session) + told_truly(hub.where, session, watched.states)


async def test_while_sixty_people_change_their_mind_no_revision_shows_a_seat_too_many(hub: Running) -> None:
    answers, wrong = await churn(hub, CHURN_SECONDS)
    figures.info("changes of mind: %s", answers)
    assert wrong == []
    assert set(answers) == {
        "POST 201",
        "POST 409 session_full",
        "POST 409 already_booked",
        "DELETE 200",
        "DELETE 403 not_booked",
    }


async def test_control_without_the_rule_and_the_check_the_watcher_sees_a_seat_too_many(
    alone: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await without_constraints(alone)
    monkeypatch.setattr("hub.domain.booking.has_room", lambda live, now: True)
    _, wrong = await churn(alone, 0.5)
    assert any("shows" in what for what in wrong), wrong


# People who come and go.


async def come_and_go(hub: Running) -> tuple[set[str], list[str]]:
    """60 sockets of 30 people join, leave and join at once; those of every second person leave again: 210 moves."""
    session = (await hub.create(rosterVisibility="host"))["id"]  # rosters for all would be the test's own load
    people = tokens(f"s-{number}" for number in range(30))
    async with Line.to(hub.port) as line:
        booked = [await line.ask("POST", f"/{session}/book", bearer) for bearer in people.values()]
    assert tally(booked) == {"201": 30}
    async with Watched.at(hub, session) as watched, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(Client.at(hub, person)) for person in people for _ in range(2)]

        async def visit(client: Client, stays: bool) -> set[str]:
            kinds = ["join", "leave", "join", *([] if stays else ["leave"])]
            return {(await client.ask(type=kind, session=session))["type"] for kind in kinds}

        async with asyncio.timeout(4 * PATIENCE):
            said = await asyncio.gather(*(visit(client, n % 4 < 2) for n, client in enumerate(sockets)))
        await watched.until_now(hub)
        wrong = people_counted(hub.where, session) + told_truly(hub.where, session, watched.states)
        if watched.states[-1]["live"] != 15:
            wrong.append(f"{watched.states[-1]['live']} live of 15 who stayed")
    return set().union(*said), wrong


async def test_when_hundreds_join_and_leave_at_once_the_count_is_the_people_who_are_there(hub: Running) -> None:
    said, wrong = await come_and_go(hub)
    assert said == {"ok"}
    assert wrong == []


@pytest.mark.usefixtures("no_lock")
async def test_control_decided_outside_the_lock_the_count_is_not_the_people_who_are_there(
    alone: Running,
) -> None:
    _, wrong = await come_and_go(alone)
    assert any("people there" in what for what in wrong), wrong
