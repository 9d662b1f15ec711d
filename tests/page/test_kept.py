"""What a person had is still theirs: the form they typed in, the list they looked for, the room they were in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser import sign_in
from tests.page.test_presence import live_session
from tests.page.windows import Window, Windows, count_of
from tests.running import Running, running, token

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG_NAME = "Wolfeschlegelsteinhausenbergerdorff" * 6
TITLE = "#session-form [name=title]"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def patient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub with a grace that a reload fits in."""
    async with running(tmp_path_factory.mktemp("patient"), leave_grace_seconds=30.0) as listening:
        yield listening


async def typing(expert: Window) -> None:
    """Something is typed in the form of a new session."""
    await expert.show("#/new")
    await expert.page.locator(TITLE).fill("Half a thought")


async def become(expert: Window, sub: str) -> None:
    """Sign in where no list is."""
    await expert.page.locator("#token").fill(token(sub, "expert"))
    await expert.page.locator("#token-form button").click()
    await expert.page.locator("#signed-in").wait_for()


async def test_what_was_typed_waits_until_the_same_expert_signs_in_again(room: Windows, hub: Running) -> None:
    expert = await room.open(hub, "e-7", "expert")
    await typing(expert)
    await expert.page.locator("#sign-out").click()
    await expert.page.get_by_text("This is for experts").wait_for()
    await expect(expert.page.locator("main")).to_contain_text("kept until its author signs in again")
    await become(expert, "e-8")
    await expect(expert.page.locator(TITLE)).to_have_value("")
    await expert.page.locator("#sign-out").click()
    await become(expert, "e-7")
    await expect(expert.page.locator(TITLE)).to_have_value("Half a thought")
    await expert.page.locator("#session-form [type=submit]").click()
    await expert.page.locator('[data-status="scheduled"] h1').filter(has_text="Half a thought").wait_for()


async def test_a_form_with_something_typed_is_not_left_without_being_asked(expert: Window) -> None:
    await typing(expert)
    await expert.show("#/")
    dialog = expert.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Stay").click()
    await expect(expert.page.locator(TITLE)).to_have_value("Half a thought")
    await expect(expert.page).to_have_url(re.compile("#/new$"))
    await expert.show("#/nowhere")
    await dialog.get_by_role("button", name="Leave").click()
    await expert.page.get_by_text("There is nothing at this address").wait_for()
    await expert.show("#/new")
    await expect(expert.page.locator(TITLE)).to_have_value("")
    await expert.show("#/")  # nothing is typed: nobody is asked
    await expert.page.locator("#q").wait_for()


async def test_what_was_looked_for_is_there_after_a_reload_and_on_the_way_back(visitor: Window, hub: Running) -> None:
    found, other = [(await hub.create(title=title))["id"] for title in ("Beekeeping", "Pruning")]
    await visitor.page.locator("#q").fill("beekeep")
    await visitor.page.get_by_text("Seats left", exact=True).click()
    await expect(visitor.page).to_have_url(re.compile(r"#/\?q=beekeep&available=true$"))
    await expect(visitor.part(other)).to_have_count(0)
    await visitor.page.reload()
    for _ in range(2):
        await visitor.part(found).wait_for()
        await expect(visitor.page.locator("#q")).to_have_value("beekeep")
        await expect(visitor.page.locator("[name=available]")).to_be_checked()
        await expect(visitor.part(other)).to_have_count(0)
        await visitor.part(found, "a").filter(has_text="Beekeeping").click()
        await visitor.page.get_by_text("All sessions").click()
    await visitor.show("#/")
    await visitor.part(other).wait_for()
    await expect(visitor.page.locator("#q")).to_have_value("")


async def test_a_reload_is_no_leave(room: Windows, patient: Running) -> None:
    session = await live_session(patient, "ann", "ben")
    ann, ben = await room.open(patient, "ann"), await room.open(patient, "ben")
    await ann.enter(session)
    await ben.counts(session, 1)
    await ben.record(count_of(session))
    await ann.page.reload()
    await sign_in(ann.watched, token("ann"))
    await ann.button(session, "leave").wait_for()
    assert len(await ben.recorded(count_of(session))) == 1, "somebody saw her leave"
    await ann.press(session, "leave")
    await ann.button(session, "join").wait_for()
    await ann.page.reload()
    await sign_in(ann.watched, token("ann"))
    await ann.button(session, "join").wait_for()  # who has left stays away


@pytest.mark.parametrize("stored", ["{", "[]", '"x"', "null", '{"person": "ann", "sessions": 3, "at": 9e15}'])
async def test_what_is_stored_may_make_no_sense(visitor: Window, stored: str) -> None:
    visitor.excused = ("/demo/people)",)
    await visitor.page.evaluate(
        "text => { for (const key of ['hub-visits', 'hub-person']) sessionStorage[key] = text }", stored
    )
    await visitor.page.reload()
    await visitor.page.evaluate("text => { sessionStorage['hub-visits'] = text }", stored)
    await sign_in(visitor.watched, token("ann"))
    kept = await visitor.page.evaluate(
        """async text => {
          sessionStorage["hub-person"] = text;
          document.documentElement.dataset.demo = "";
          const { People } = await import("/static/people.js");
          return new People(() => null).load();
        }""",
        stored,
    )
    assert kept is None
    await visitor.page.evaluate("delete document.documentElement.dataset.demo")


@pytest.mark.parametrize("width", [390, 1280])
async def test_a_long_name_covers_nothing_and_one_can_sign_out(room: Windows, hub: Running, width: int) -> None:
    window = await room.open(hub, viewport={"width": width, "height": 800})
    await sign_in(window.watched, token("long", "student", LONG_NAME))
    page = window.page
    assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    boxes = [
        await page.locator(part).bounding_box() for part in (".brand", "#connection", "#signed-in-name", "#sign-out")
    ]
    for at, one in enumerate(boxes):
        assert one
        assert one["x"] >= 0
        assert one["x"] + one["width"] <= width
        for other in boxes[at + 1 :]:
            assert other
            apart = one["x"] + one["width"] <= other["x"] or one["y"] + one["height"] <= other["y"]
            assert apart or other["x"] + other["width"] <= one["x"]
    await page.locator("#sign-out").click()
    await page.locator("#token").wait_for()


@pytest.mark.parametrize("tail", ["", "/edit"])
async def test_a_session_that_is_missing_is_asked_for_once(expert: Window, hub: Running, tail: str) -> None:
    expert.excused = ("/999999)",)
    asked: list[str] = []
    expert.page.on("request", lambda request: asked.append(request.url) if "/999999" in request.url else None)
    await expert.show(f"#/sessions/999999{tail}")
    told = expert.page.get_by_text("There is no such session")
    await told.wait_for()
    async with expert.page.expect_response(
        lambda answer: "limit=50" in answer.url
    ):  # as after a connection that was lost
        await hub.create(title="Another")
    await told.wait_for()
    assert len(asked) == 1


async def test_an_ended_session_that_nobody_booked_says_so(expert: Window, hub: Running) -> None:
    session = await live_session(hub)
    await expert.visit(session)
    bookings = expert.page.locator('[data-part="bookings"]')
    await expect(bookings).to_contain_text("Nobody has booked yet.")
    await expert.press(session, "end")
    await expect(bookings).to_contain_text("Nobody booked.")


async def test_the_inputs_of_a_row_are_level(expert: Window) -> None:
    await expert.show("#/new")
    await expert.page.locator("#session-form").wait_for()
    for pair in (("startsAt", "timezone"), ("price", "currency"), ("meetingPassword", "rosterVisibility")):
        one, other = [await expert.page.locator(f"#f-{name}").bounding_box() for name in pair]
        assert one
        assert other
        assert (one["y"], one["height"]) == (other["y"], other["height"]), pair
