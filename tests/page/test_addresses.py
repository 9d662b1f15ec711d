"""The page's addresses: sessions made and changed by the form, back and forward, and addresses that lead nowhere."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from tests.page.windows import Window
from tests.running import Running
from tests.tables import ask

pytestmark = pytest.mark.asyncio(loop_scope="session")

SEND = "#session-form [type=submit]"


async def at_form(expert: Window) -> None:
    """The form of a new session is open."""
    expert.excused = ("status of 422",)
    await expert.show("#/new")
    await expert.page.locator("#session-form").wait_for()


def named(window: Window, name: str) -> Locator:
    """An input of the form."""
    return window.page.locator(f"#session-form [name={name}]")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", "   "),
        ("durationMinutes", "0"),
        ("durationMinutes", "1441"),
        ("maxParticipants", "-1"),
        ("meetingUrl", "http://meet.example/not-safe"),
        ("timezone", "Mars/Olympus"),
    ],
)
async def test_wrong_input_names_its_field_and_nothing_is_made(
    expert: Window, hub: Running, name: str, value: str
) -> None:
    before = ask(hub.where, "SELECT count(*) FROM live_sessions")
    await at_form(expert)
    await named(expert, "title").fill("Soil and water")
    await named(expert, name).fill(value)
    await expert.page.locator(SEND).click()
    told = expert.page.locator(f"#f-{name}-error")
    await expect(told).to_have_text(re.compile(r"\w{2}"))
    await expect(named(expert, name)).to_have_attribute("aria-invalid", "true")
    described = await named(expert, name).get_attribute("aria-describedby") or ""
    assert f"f-{name}-error" in described.split()
    await expect(expert.page.locator("#session-form [aria-invalid=true]")).to_have_count(1)
    assert ask(hub.where, "SELECT count(*) FROM live_sessions") == before


async def test_an_expert_makes_a_session_and_changes_it_and_others_see_both(
    expert: Window, visitor: Window, hub: Running
) -> None:
    await at_form(expert)
    await named(expert, "title").fill("Grafting by hand")
    await named(expert, "maxParticipants").fill("7")
    await expert.page.locator(SEND).click()
    await expert.page.locator('[data-status="scheduled"] [data-field="title"]').filter(has_text="Grafting").wait_for()
    (session,) = ask(hub.where, "SELECT id FROM live_sessions WHERE title = 'Grafting by hand'")
    title = visitor.says(session, "title")
    await expect(title).to_have_text("Grafting by hand")
    await expect(visitor.says(session, "seats")).to_contain_text("7")
    await expert.show(f"#/sessions/{session}/edit")
    await expect(named(expert, "title")).to_have_value("Grafting by hand")
    await named(expert, "title").fill("Grafting by night")
    await expert.page.locator(SEND).click()
    await expect(expert.says(session, "title")).to_have_text("Grafting by night")
    await expect(title).to_have_text("Grafting by night")
    assert ask(hub.where, "SELECT max_participants, version FROM live_sessions WHERE id = ?", session) == [(7, 2)]


async def test_back_and_forward_go_between_the_list_and_a_session(visitor: Window, hub: Running) -> None:
    session = (await hub.create(title="Hedges"))["id"]
    await visitor.part(session, "a").filter(has_text="Hedges").click()
    await expect(visitor.page).to_have_url(re.compile(rf"#/sessions/{session}$"))
    calendar = visitor.page.locator('[data-action="calendar"]')
    await calendar.wait_for()
    await expect(visitor.says(session, "countdown")).to_have_text(re.compile(r"\d"))
    await visitor.page.go_back()
    await visitor.page.locator("#q").wait_for()
    await visitor.part(session).wait_for()
    await visitor.page.go_forward()
    await calendar.wait_for()
    await visitor.page.reload()
    await calendar.wait_for()


@pytest.mark.parametrize("route", ["#/sessions/999999", "#/sessions/none", "#/sessions/999999/edit", "#/nowhere"])
async def test_an_address_that_leads_nowhere_says_so_and_leads_back(expert: Window, hub: Running, route: str) -> None:
    await hub.create()
    expert.excused = ("/api/live-sessions/999999)",)
    await expert.show(route)
    await expert.page.get_by_text(re.compile("There is nothing at this address|There is no such session")).wait_for()
    await expect(expert.page).to_have_title(re.compile("Not found|No such session"))
    assert await expert.page.locator("#session-form").count() == 0
    await expert.page.locator('main a[href="#/"]').first.click()
    await expert.page.locator("#groups[aria-busy=false] [data-session]").first.wait_for()
