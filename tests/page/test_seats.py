"""Seats as two people see them at the same time: the last one, a race for it, and one that is held until it is paid."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Route, expect

from tests.conforming import PRICE
from tests.page.windows import REFUSED, Window, Windows
from tests.running import PATIENCE, Running, running
from tests.storm import seats_sold_once
from tests.tables import ask
from tests.test_rest_payments import tell

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOLD_SECONDS = 3.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hasty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub that holds a seat for three seconds only."""
    async with running(tmp_path_factory.mktemp("hasty"), hold_minutes=HOLD_SECONDS / 60) as listening:
        yield listening


async def before(hub: Running, ann: Window, ben: Window, **changes: Any) -> int:
    """A new session, and two people in the list who could book a seat of it."""
    session: int = (await hub.create(**changes))["id"]
    for window in (ann, ben):
        window.excused = REFUSED
        await window.button(session, "book").wait_for()
    return session


async def test_the_last_seat_is_taken_in_one_window_and_the_others_button_changes(
    ann: Window, ben: Window, hub: Running
) -> None:
    session = await before(hub, ann, ben, maxParticipants=1)
    await ann.press(session, "book")
    await ann.button(session, "cancelBooking").wait_for()
    await expect(ben.button(session, "book")).to_have_count(0)
    await expect(ben.says(session, "seats")).not_to_contain_text("1 of 1 seats left")
    await ann.press(session, "cancelBooking")
    await ben.button(session, "book").wait_for()
    await ben.press(session, "book")
    await ben.button(session, "cancelBooking").wait_for()
    await expect(ann.button(session, "book")).to_have_count(0)


async def pressed_at_once(session: int, *rivals: Window) -> list[int]:
    """Each presses `book`, and no request goes on before all are there; the status that each got."""
    barrier = asyncio.Barrier(len(rivals))

    async def together(route: Route) -> None:
        async with asyncio.timeout(PATIENCE):
            await barrier.wait()
        await route.continue_()

    async def press(window: Window) -> int:
        await window.page.route("**/book", together)
        async with window.page.expect_response("**/book") as answered:
            await window.press(session, "book")
        await window.page.unroute("**/book", together)
        return (await answered.value).status

    return await asyncio.gather(*(press(window) for window in rivals))


async def test_of_two_who_press_at_once_one_gets_the_last_seat_and_the_other_a_sentence(
    ann: Window, ben: Window, hub: Running
) -> None:
    session = await before(hub, ann, ben, maxParticipants=1)
    answers = await pressed_at_once(session, ann, ben)
    assert sorted(answers) == [201, 409]
    winner, loser = (ann, ben) if answers[0] == 201 else (ben, ann)
    await winner.button(session, "cancelBooking").wait_for()
    await expect(loser.says(session, "note")).to_contain_text("Every seat of this session is taken.")
    await expect(loser.button(session, "book")).to_have_count(0)
    assert await loser.button(session, "cancelBooking").count() == 0
    assert seats_sold_once(hub.where, session) == []


async def test_with_two_seats_left_both_who_press_at_once_get_one(ann: Window, ben: Window, hub: Running) -> None:
    session = await before(hub, ann, ben, maxParticipants=2)
    assert await pressed_at_once(session, ann, ben) == [201, 201]
    for window in (ann, ben):
        await window.button(session, "cancelBooking").wait_for()
        assert await window.says(session, "note").is_hidden()


async def test_a_held_seat_counts_down_and_is_free_again_when_nobody_pays(room: Windows, hasty: Running) -> None:
    ann, ben = await room.open(hasty, "ann"), await room.open(hasty, "ben")
    session = await before(hasty, ann, ben, maxParticipants=1, price=PRICE)
    await ann.press(session, "book")
    hold = ann.says(session, "hold")
    await expect(hold).to_contain_text(re.compile("0:0[0-3]"))
    await ann.record(f'[data-session="{session}"] [data-field="hold"]')
    await expect(ben.button(session, "book")).to_have_count(0)
    for window in (ann, ben):  # by the clock alone: nobody does anything
        await window.button(session, "book").wait_for()
    await expect(hold).to_be_hidden()
    told = await ann.recorded(f'[data-session="{session}"] [data-field="hold"]')
    assert len(told) > 2, told


async def test_a_held_seat_is_seen_to_be_paid(ann: Window, ben: Window, hub: Running) -> None:
    session = await before(hub, ann, ben, maxParticipants=5, price=PRICE)
    await ann.visit(session)
    await ann.press(session, "book")
    await expect(ann.says(session, "hold")).to_contain_text(re.compile("1[45]:[0-9][0-9]"))
    assert await ann.button(session, "join").count() == 0
    (booking,) = ask(hub.where, "SELECT id FROM session_bookings WHERE session_id = ?", session)
    assert await tell(hub, "succeeded", booking, f"page-{session}") == "confirmed"
    await ann.button(session, "join").wait_for()
    await expect(ann.says(session, "hold")).to_be_hidden()
    assert await ann.button(session, "pay").count() == 0
