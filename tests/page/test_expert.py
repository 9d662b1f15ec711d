"""What only a session's expert sees, in a real browser: who is here, the line over time, attendance, bookings."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser import Watched
from tests.page.alone import document, jane
from tests.running import Client, Running, now, running

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOUNT = """async ({ id, actor }) => {
  const { ExpertParts } = await import("/static/expert.js");
  window.parts?.close();
  window.parts = new ExpertParts({ id, actor, say: () => null });
  document.body.replaceChildren(window.parts.node);
}"""
UPDATE = """({ session, people }) =>
  window.parts.update({ session, roster: people && new Map(people.map((person) => [person.id, person])) })"""
CROWD = 2_000
ROWS_AT_MOST = 50


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub in this process; each test makes its own session."""
    async with running(tmp_path_factory.mktemp("expert")) as listening:
        yield listening


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(browser: Browser, hub: Running) -> AsyncIterator[Watched]:
    """A page for all of this module's parts."""
    async with document(browser, hub) as page:
        yield page


@asynccontextmanager
async def parts_of(watched: Watched, session: dict[str, Any]) -> AsyncIterator[Page]:
    """The expert's parts alone, for Jane, who owns `session`; the page must have had no fault in the end."""
    await watched.page.evaluate(MOUNT, {"id": session["id"], "actor": jane()})
    await show(watched.page, session)
    yield watched.page
    assert watched.faults == []


async def show(page: Page, session: dict[str, Any], people: list[dict[str, Any]] | None = None) -> None:
    """Tell the parts what the socket told the page; nobody knows yet who is here where `people` is None."""
    await page.evaluate(UPDATE, {"session": session, "people": people})


async def visited(hub: Running, *people: str) -> dict[str, Any]:
    """An active session where these have been, one after the other."""
    session = await hub.create()
    await hub.start(session["id"])
    for sub in people:
        await hub.book(session["id"], sub)
        async with Client.at(hub, sub) as client:
            assert (await client.ask(type="join", session=session["id"]))["type"] == "ok"
            assert (await client.ask(type="leave", session=session["id"]))["type"] == "ok"
    read: dict[str, Any] = (await hub.call("GET", f"/{session['id']}")).json()["data"]
    return read


def text_of(file: Path) -> str:
    return file.read_text()


async def test_the_expert_sees_who_was_there_and_takes_it_along(watched: Watched, hub: Running) -> None:
    session = await visited(hub, "s-1", "s-2")
    async with parts_of(watched, session) as page:
        await expect(page.locator("[data-part=attendance] tr[data-person]")).to_have_count(2)
        await expect(page.locator("[data-part=bookings] tr[data-booking]")).to_have_count(2)
        line = page.locator("[data-part=chart]").get_by_role("img")
        await expect(line).to_have_accessible_name(re.compile("people present over time: .* at most "))
        async with page.expect_request("**/attendance.csv*") as asked, page.expect_download() as loading:
            await page.locator("[data-action=csv]").click()
        request, download = await asked.value, await loading.value
        taken = text_of(await download.path())

    assert download.suggested_filename == f"attendance-{session['id']}.csv"
    assert taken.splitlines()[0].startswith("id,name,role,seconds")
    assert len(taken.splitlines()) == 3
    assert "?" not in request.url


async def test_the_line_goes_on_with_each_count_and_has_a_table(watched: Watched, hub: Running) -> None:
    session = await hub.create()
    async with parts_of(watched, session) as page:
        chart = page.locator("[data-part=chart]")
        await expect(chart).to_contain_text("The line begins when the first person comes.")
        for live in (1, 3, 2):
            await show(page, session | {"live": live})
        await expect(chart.get_by_role("img")).to_have_accessible_name(re.compile(": 2 people now; at most 3 people"))
        await chart.get_by_text("As a table").click()
        await expect(chart.locator("tbody tr").last).to_contain_text("2")


async def test_a_room_of_two_thousand_is_a_page_of_rows_and_a_search(watched: Watched, hub: Running) -> None:
    session = await hub.create() | {"live": CROWD}
    crowd = [
        {"id": f"s-{number}", "name": f"Zoë {number}", "role": "student", "joinedAt": "2026-03-01T12:00:00Z"}
        for number in range(CROWD)
    ]
    async with parts_of(watched, session) as page:
        await show(page, session, crowd)
        roster = page.locator("[data-part=roster]")
        await expect(roster.locator("[data-person]").first).to_contain_text("Zoë 1999")
        assert await roster.locator("[data-person]").count() <= ROWS_AT_MOST
        await roster.get_by_role("searchbox").fill("zoe 123")
        await expect(roster.locator("[data-person]")).to_have_count(11)
        await show(page, session, [one for one in crowd if one["id"] != "s-1234"])
        await expect(roster.locator("[data-person]")).to_have_count(10)


async def test_what_could_not_be_loaded_says_so_and_is_tried_again(watched: Watched, hub: Running) -> None:
    session = await visited(hub, "s-1")
    await watched.page.route("**/attendance", lambda route: route.abort())
    async with parts_of(watched, session) as page:
        attendance = page.locator("[data-part=attendance]")
        await expect(attendance.get_by_role("alert")).to_contain_text("The hub can't be reached.")
        await page.unroute("**/attendance")
        await attendance.get_by_role("button", name="Try again").click()
        await expect(attendance.locator("tr[data-person]")).to_have_count(1)
        await expect(attendance.get_by_role("alert")).to_be_hidden()


async def test_who_was_here_stays_while_the_connection_is_lost(watched: Watched, hub: Running) -> None:
    session = await hub.create() | {"live": 1}
    amina = {"id": "s-1", "name": "Amina", "role": "student", "joinedAt": "2026-03-01T12:00:00Z"}
    async with parts_of(watched, session) as page:
        here = page.locator("[data-part=roster] [data-person]")
        await show(page, session, [amina])
        await expect(here).to_have_count(1)
        await show(page, session, None)
        assert await here.count() == 1
        await show(page, session | {"live": 0}, [])
        await expect(here).to_have_count(0)


async def test_once_it_has_ended_nobody_is_still_here_without_any_waiting(browser: Browser, hub: Running) -> None:
    session = await hub.create()
    await hub.start(session["id"])
    await hub.book(session["id"], "s-1")
    async with document(browser, hub) as alone, Client.at(hub, "s-1") as client:
        assert (await client.ask(type="join", session=session["id"]))["type"] == "ok"
        async with parts_of(alone, (await hub.call("GET", f"/{session['id']}")).json()["data"]) as page:
            row = page.locator("[data-part=attendance] tr[data-person=s-1]")
            await expect(row).to_contain_text("still here")
            await page.clock.install()
            await page.clock.pause_at(now() + timedelta(minutes=1))  # no timer of the page goes off any more
            ended = (await hub.call("PATCH", f"/{session['id']}/end")).json()["data"]
            await show(page, ended, [])
            await expect(row).not_to_contain_text("still here")


async def test_the_end_is_marked_and_the_line_stays(watched: Watched, hub: Running) -> None:
    session = await visited(hub, "s-1")
    async with parts_of(watched, session) as page:
        line = page.locator("[data-part=chart]").get_by_role("img")
        await expect(line).to_have_accessible_name(re.compile("0 people now; at most 1 person"))
        ended = (await hub.call("PATCH", f"/{session['id']}/end")).json()["data"]
        await show(page, ended, [])
        await expect(line).to_have_accessible_name(re.compile("Over at .*; at most 1 person"))
        await expect(line).to_contain_text("End")
        await expect(page.locator("[data-part=roster]")).to_be_hidden()
