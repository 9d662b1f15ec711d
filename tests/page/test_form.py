"""The form that creates and edits a session, in a real browser against a real hub: what is wrong is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser import Watched
from tests.page.alone import document, jane
from tests.running import EXPERT, PATIENCE, Running, now, running

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOUNT = """async ({ session, actor }) => {
  const { SessionForm } = await import("/static/form.js");
  window.saved = new Promise((done) => {
    document.body.replaceChildren(new SessionForm({ session, actor, done, cancel: () => done(null) }).node);
  });
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub in this process; each test makes its own session."""
    async with running(tmp_path_factory.mktemp("form")) as listening:
        yield listening


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(browser: Browser, hub: Running) -> AsyncIterator[Watched]:
    """A page for all of this module's forms."""
    async with document(browser, hub) as page:
        yield page


@asynccontextmanager
async def form_of(watched: Watched, session: dict[str, Any] | None = None) -> AsyncIterator[Page]:
    """The form alone, for Jane, who owns `session`; the page must have had no fault in the end."""
    await watched.page.evaluate(MOUNT, {"session": session, "actor": jane()})
    await watched.page.locator("#f-title").wait_for()
    yield watched.page
    assert watched.faults == []


async def save(page: Page) -> None:
    await page.locator("#session-form button[type=submit]").click()


async def saved(page: Page) -> dict[str, Any]:
    """What the form was done with."""
    async with asyncio.timeout(PATIENCE):
        answer: dict[str, Any] = await page.evaluate("window.saved")
    return answer


async def told_at(page: Page, name: str, words: str) -> None:
    """The field is marked as wrong, and these words are its description."""
    field = page.locator(f"#f-{name}")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_description(words)


async def test_what_is_wrong_is_named_at_its_field_and_the_first_has_the_focus(watched: Watched) -> None:
    async with form_of(watched) as page:
        await page.locator("#f-title").fill("Soil")
        for name, wrong in {
            "startsAt": "2020-01-01T10:00",
            "durationMinutes": "1441",
            "maxParticipants": "0",
            "price": "a lot",
            "meetingUrl": "http://meet.example",
        }.items():
            await page.locator(f"#f-{name}").fill(wrong)
        await save(page)

        await told_at(page, "startsAt", "This is in the past.")
        await told_at(page, "durationMinutes", "From 1 to 1440 minutes (a day), in digits.")
        await told_at(page, "maxParticipants", "A whole number from 1, or empty for no limit.")
        await told_at(page, "price", "A number like 1500 or 19.50, or empty if it is free.")
        await told_at(page, "meetingUrl", "It begins with https://.")
        await expect(page.locator("#f-startsAt")).to_be_focused()
        await expect(page.locator("#session-form .note")).to_have_text("5 things to mend: they are marked.")

        await page.locator("#f-price").fill("1500")
        await expect(page.locator("#f-price")).not_to_have_attribute("aria-invalid", "true")


async def test_what_only_the_hub_knows_comes_back_to_its_field(watched: Watched) -> None:
    async with form_of(watched) as page:
        await page.locator("#f-title").fill("Soil")
        await page.locator("#f-timezone").fill("+03:00")
        await page.locator("#f-price").fill("99999999999")
        await page.locator("#f-meetingUrl").fill("https://meet.example:0/")
        await save(page)

        await told_at(page, "timezone", "Must be an IANA time zone, like Africa/Nairobi.")
        await told_at(page, "meetingUrl", "Must be an https:// address.")
        await expect(page.locator("#f-price")).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#f-timezone")).to_be_focused()


async def test_a_time_that_the_clocks_skip_is_told_and_the_next_hour_is_right(watched: Watched) -> None:
    async with form_of(watched) as page:
        await page.locator("#f-title").fill("Soil")
        await page.locator("#f-timezone").fill("Europe/Rome")
        await page.locator("#f-startsAt").fill("2036-03-30T02:30")
        await save(page)
        await told_at(page, "startsAt", "The clocks in Europe/Rome skip this time on that day. Take an hour later.")

        await page.locator("#f-startsAt").fill("2036-03-30T03:30")
        await expect(page.locator("output")).to_contain_text("04:30 in Europe/Rome. For you: ")
        await save(page)
        created = await saved(page)

    assert (created["startsAt"], created["time"]) == ("2036-03-30T01:30:00Z", "03:30")


async def test_all_that_a_session_has_is_created(watched: Watched, hub: Running) -> None:
    typed = {
        "title": "Soil Health Clinic",
        "description": "Bring a photo.",
        "startsAt": "2036-01-02T09:15",
        "durationMinutes": "45",
        "maxParticipants": "12",
        "courseId": "soil",
        "price": "19,50",
        "currency": "eur",
        "meetingUrl": "https://meet.example/soil",
        "meetingPassword": "worms",
    }
    async with form_of(watched) as page:
        for name, value in typed.items():
            await page.locator(f"#f-{name}").fill(value)
        await page.locator("#f-rosterVisibility").select_option("host")
        await save(page)
        created = await saved(page)

    kept = (await hub.call("GET", f"/{created['id']}")).json()["data"]
    assert kept["startsAt"] == "2036-01-02T06:15:00Z"
    assert (kept["timezone"], kept["durationMinutes"], kept["maxParticipants"]) == ("Africa/Nairobi", 45, 12)
    assert (kept["courseId"], kept["description"]) == ("soil", "Bring a photo.")
    assert kept["price"] == {"amount": 1950, "currency": "EUR"}
    assert kept["meeting"] == {"url": "https://meet.example/soil", "password": "worms"}


async def test_an_edit_sends_only_what_changed_and_the_version_it_saw(watched: Watched, hub: Running) -> None:
    session = await hub.create(maxParticipants=20, meetingUrl="https://meet.example/soil")
    async with form_of(watched, session) as page:
        await page.locator("#f-maxParticipants").fill("")
        await page.locator("#f-meetingPassword").fill("worms")
        async with page.expect_request(lambda request: request.method == "PATCH") as asked:
            await save(page)
        await saved(page)
        request = await asked.value

    assert json.loads(request.post_data or "") == {"maxParticipants": None, "meetingPassword": "worms"}
    assert request.headers["if-match"] == '"1"'


async def test_a_change_made_meanwhile_is_shown_and_taken_over_or_overwritten(watched: Watched, hub: Running) -> None:
    session = await hub.create(title="Soil", durationMinutes=60)
    async with form_of(watched, session) as page:
        await page.locator("#f-title").fill("Mine")
        await page.locator("#f-description").fill("Bring a photo.")
        await hub.call("PATCH", f"/{session['id']}", json={"title": "Theirs", "durationMinutes": 90})
        await save(page)

        news = page.locator(".news")
        await expect(news).to_be_focused()
        await expect(news).to_contain_text("Title is now “Theirs”, you typed “Mine”.")
        await expect(news).to_contain_text("Length in minutes is now “90”: taken over.")
        await expect(page.locator("#f-durationMinutes")).to_have_value("90")
        await news.get_by_role("button", name="Take theirs").click()
        await expect(page.locator("#f-title")).to_have_value("Theirs")
        await save(page)
        kept = await saved(page)

    assert (kept["title"], kept["description"], kept["durationMinutes"]) == ("Theirs", "Bring a photo.", 90)


async def test_what_a_live_session_can_no_longer_change_is_shown_with_the_reason(
    watched: Watched, hub: Running
) -> None:
    session = await hub.create()
    async with form_of(watched, session) as page:
        await page.locator("#f-title").fill("Mine")
        await hub.start(session["id"])
        await save(page)

        await expect(page.locator(".news")).to_contain_text("It is active now.")
        await expect(page.locator("#f-startsAt")).to_be_disabled()
        await expect(page.locator("#f-startsAt")).to_have_accessible_description(
            "The session is live: its title, description and meeting can be changed, "
            "the rest could only before it began."
        )
        await expect(page.locator("[data-action=callOff]")).to_be_hidden()
        await save(page)
        assert (await saved(page))["title"] == "Mine"


async def test_fewer_seats_than_are_taken_are_refused_at_their_field(watched: Watched, hub: Running) -> None:
    session = await hub.create(maxParticipants=5)
    async with form_of(watched, session) as page:
        for sub in ("s-1", "s-2"):
            await hub.book(session["id"], sub)
        await page.locator("#f-maxParticipants").fill("1")
        await save(page)
        await told_at(page, "maxParticipants", "2 seats are taken: the capacity can't fall to 1.")


async def test_calling_it_off_is_asked_for_twice(watched: Watched, hub: Running) -> None:
    session = await hub.create(startsAt=(now() + timedelta(days=1)).isoformat())
    await hub.book(session["id"], "s-1")
    async with form_of(watched, session) as page:
        await page.locator("[data-action=callOff]").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("One person has a seat and loses it. This can't be undone.")
        await dialog.get_by_role("button", name="Keep it").click()
        assert (await hub.call("GET", f"/{session['id']}", EXPERT)).json()["data"]["status"] == "scheduled"
        await page.locator("[data-action=callOff]").click()
        await page.locator("[data-action=confirmCallOff]").click()
        assert (await saved(page))["status"] == "cancelled"
