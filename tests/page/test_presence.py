"""Two people in two windows see each other come and go, and the session begin and end."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.page.windows import Window, Windows, count_of
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def live_session(hub: Running, *students: str) -> int:
    """An active session with a seat for each of them."""
    session: int = (await hub.create())["id"]
    for student in students:
        await hub.book(session, student)
    await hub.start(session)
    return session


async def test_two_people_see_each_other_come_and_go(room: Windows, hub: Running) -> None:
    session = await live_session(hub, "ann", "ben")
    ann, ben = [await room.open(hub, sub, reduced_motion="no-preference") for sub in ("ann", "ben")]
    for window in (ann, ben):
        await window.visit(session)
        await window.counts(session, 0)
    await ann.enter(session)
    await ben.counts(session, 1)
    await ann.names("ann")
    await ben.enter(session)
    for window in (ann, ben):
        await window.counts(session, 2)
        await window.names("ann", "ben")
    await ben.press(session, "leave")
    await ann.counts(session, 1)
    await ann.names("ann")
    await ben.counts(session, 1)
    await ben.enter(session)
    await ann.counts(session, 2)
    await ben.page.close()  # without a word: seen after the grace
    await ann.counts(session, 1)
    await ann.names("ann")


async def test_the_count_moves_in_the_list_of_somebody_who_only_looks(
    visitor: Window, ann: Window, hub: Running
) -> None:
    session = await live_session(hub, "ann")
    await visitor.counts(session, 0)
    await ann.enter(session)
    await visitor.counts(session, 1)
    await ann.press(session, "leave")
    await visitor.counts(session, 0)


async def test_a_second_tab_is_no_second_participant(room: Windows, hub: Running) -> None:
    session = await live_session(hub, "ann", "ben")
    ben, one, two = await room.open(hub, "ben"), await room.open(hub, "ann"), await room.open(hub, "ann")
    for window in (ben, one, two):
        await window.visit(session)
    await ben.enter(session)
    await one.enter(session)
    await ben.counts(session, 2)
    await ben.record(count_of(session))
    await two.enter(session)
    await two.counts(session, 2)
    await ben.names("ann", "ben")
    await one.page.close()
    await two.press(session, "leave")  # the last of her tabs, and only this one is seen
    await ben.counts(session, 1)
    await ben.names("ben")
    before, after = await ben.recorded(count_of(session))
    assert before
    assert before.startswith("2")
    assert after
    assert after.startswith("1")


async def before_it(expert: Window, session: int) -> None:
    """The session's owner is at its page."""
    await expert.visit(session)
    await expert.button(session, "edit").wait_for()


async def test_the_expert_starts_and_ends_it_and_both_see_that(ann: Window, expert: Window, hub: Running) -> None:
    session = (await hub.create())["id"]
    await hub.book(session, "ann")
    await before_it(expert, session)
    await ann.visit(session)
    await ann.has_status(session, "scheduled")
    await expert.press(session, "start")
    for window in (expert, ann):
        await window.has_status(session, "active")
    await ann.enter(session)
    await expert.press(session, "end")
    for window in (expert, ann):
        await window.has_status(session, "ended")
    assert await ann.button(session, "leave").count() == 0


async def test_the_experts_roster_chart_and_attendance_move_as_people_come(
    ann: Window, expert: Window, hub: Running
) -> None:
    session = await live_session(hub, "ann", "ben")
    await before_it(expert, session)
    await ann.visit(session)
    chart = expert.page.locator('[data-part="chart"]')
    bookings = expert.page.locator('[data-part="bookings"] tr[data-booking]')
    await expect(bookings).to_have_count(2)
    await ann.enter(session)
    await expert.names("ann")
    await expert.counts(session, 1)
    await expect(chart).to_contain_text("1 person now")
    await expert.page.locator('[data-part="attendance"] tr[data-person="ann"]').wait_for()
    await ann.press(session, "leave")
    await expert.counts(session, 0)
    await expect(chart).to_contain_text("0 people now; at most 1 person")
    await expert.names()
    await hub.book(session, "cat")
    await expect(bookings).to_have_count(3)
    async with expert.page.expect_download() as loading:
        await expert.page.locator('[data-action="csv"]').click()
    assert (await loading.value).suggested_filename.endswith(".csv")
