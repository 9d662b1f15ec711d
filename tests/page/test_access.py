"""The page for everyone: no serious fault that axe finds, all of it by the keyboard, and nothing wider than a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page, expect

from tests.conforming import PRICE
from tests.faults.nodes import LONG
from tests.page.windows import Window, Windows
from tests.running import Client, Running, bearer

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERIOUS = ("serious", "critical")
WIDTHS = (1280, 390)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NARROWEST = 320
MOST_TABS = 60


@dataclass(frozen=True)
class Sample:
    """Sessions of each kind on a hub; people are in the one that is on."""

    hub: Running
    on: int
    paid: int


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sample(hub: Running) -> AsyncIterator[Sample]:
    """The sessions, with two people in one of them."""
    on = (await hub.create(maxParticipants=20, description="Bring your questions.", courseId="soil"))["id"]
    paid = (await hub.create(title="Masterclass", price=PRICE, maxParticipants=3))["id"]
    full = (await hub.create(title="Two at most", maxParticipants=1))["id"]
    over = (await hub.create(title="Long ago"))["id"]
    for session, person in ((on, "ann"), (on, "ben"), (on, "cat"), (full, "ben"), (over, "ben")):
        await hub.book(session, person)
    for session in (on, over):
        await hub.start(session)
    assert (await hub.call("PATCH", f"/{over}/end")).status_code == 200
    async with Client.with_headers(hub, bearer("ben")) as ben, Client.with_headers(hub, bearer("cat")) as cat:
        for client in (ben, cat):
            assert (await client.ask(type="join", session=on))["type"] == "ok"
        yield Sample(hub, on, paid)


@asynccontextmanager
async def view(room: Windows, sample: Sample, name: str) -> AsyncIterator[Window]:
    """A window of the room with one of the page's views, shown whole."""
    if name == "docs":
        yield await the_reference(room, sample)
        return
    expert = name in ("expert", "new", "edit")
    sub = "e-7" if expert else "" if name in ("watcher", "none") else "ann"
    routes = {
        "student": f"#/sessions/{sample.on}",
        "paid": f"#/sessions/{sample.paid}",
        "expert": f"#/sessions/{sample.on}",
        "new": "#/new",
        "edit": f"#/sessions/{sample.paid}/edit",
        "none": "#/sessions/999999",
    }
    async with room.lent(sample.hub, sub, "expert" if expert else "student") as window:
        window.excused = ("/999999)",)
        if name in routes:
            await window.show(routes[name])
            await window.page.locator(SHOWN[name]).first.wait_for()
        yield window


async def the_reference(room: Windows, sample: Sample) -> Window:
    """A window of its own with the reference."""
    window = await room.open(sample.hub)
    await window.page.goto(f"{sample.hub.url}/docs")
    await window.page.locator("#status").wait_for(state="hidden")
    if not LONG:
        await window.page.evaluate(FEWER)
    return window


SHOWN = {
    "student": '[data-action="leave"], [data-action="join"]',
    "paid": '[data-action="book"]',
    "expert": '[data-part="attendance"] tr[data-person]',
    "new": "#session-form",
    "edit": "#session-form",
    "none": 'main a[href="#/"]',
}
"""What is there when a view is shown whole."""
VIEWS = ("watcher", "list", *SHOWN, "docs")


FEWER = "document.querySelectorAll('article').forEach((one, at) => at % 12 && one.remove())"
"""Of the reference's hundred articles, which are made alike, a few: each takes axe a tenth of a second."""


async def serious_faults(page: Page) -> list[str]:
    """What axe finds that is serious or critical; half a megabyte of script, which a document is given once."""
    has_axe = await page.evaluate("'axe' in window")
    found = (await Axe("" if has_axe else AXE_SCRIPT).run(page)).response["violations"]
    return [f"{one['id']}: {node['html']}" for one in found if one["impact"] in SERIOUS for node in one["nodes"]]


async def width_of(page: Page) -> Any:
    """By how many pixels the page is wider than its window."""
    return await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("name", VIEWS)
async def test_axe_finds_no_serious_fault_in_any_theme_or_width(lending: Windows, sample: Sample, name: str) -> None:
    async with view(lending, sample, name) as window:
        if name == "student":
            await window.enter(sample.on)
        found = {}
        for width, theme in product(WIDTHS, THEMES):
            await window.page.set_viewport_size({"width": width, "height": 900})
            await window.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            found[width, theme] = await serious_faults(window.page)
        assert found == {how: [] for how in found}
        await window.page.set_viewport_size({"width": NARROWEST, "height": 640})
        assert await width_of(window.page) <= 0
        if name == "student":
            await window.press(sample.on, "leave")


@pytest.mark.parametrize(
    ("plant", "fault"),
    [
        ("Object.assign(node, {textContent: ''})", "button-name"),
        ("node.style.cssText = 'color: #999; background: #aaa'", "color-contrast"),
    ],
)
async def test_control_axe_finds_a_fault_that_is_planted(room: Windows, sample: Sample, plant: str, fault: str) -> None:
    async with view(room, sample, "list") as window:
        button = window.button(sample.paid, "book")
        await button.evaluate(f"node => {{ {plant} }}")
        assert fault in {line.partition(":")[0] for line in await serious_faults(window.page)}


async def test_control_what_is_too_wide_is_measured(room: Windows, sample: Sample) -> None:
    async with view(room, sample, "watcher") as window:
        await window.page.evaluate("document.querySelector('main').append(document.createElement('hr'))")
        await window.page.locator("main > hr").evaluate("rule => { rule.style.width = '2000px' }")
        assert await width_of(window.page) > 0


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is there."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{MOST_TABS} times Tab did not lead to {selector}")


async def test_the_keyboard_alone_leads_from_the_door_into_a_session(room: Windows, sample: Sample) -> None:
    window = await room.open(sample.hub)
    page, session = window.page, f'[data-session="{sample.on}"]'
    await tab_to(page, "#token")
    await page.keyboard.insert_text(bearer("dan")["Authorization"].removeprefix("Bearer "))
    await page.keyboard.press("Enter")
    await page.locator("#signed-in").wait_for()
    await window.button(sample.on, "book").wait_for()
    await tab_to(page, f"{session} a")
    await page.keyboard.press("Enter")
    await page.locator('[data-action="calendar"]').wait_for()
    await tab_to(page, f'{session} [data-action="book"]')
    await page.keyboard.press("Enter")
    await window.button(sample.on, "join").wait_for()
    focused = await page.evaluate("document.activeElement.closest('[data-session]') !== null")
    assert focused, "the focus is lost with the button that was pressed"
    await page.keyboard.press("Shift+Tab")  # the button may have taken its place, and is found all the same
    await tab_to(page, f'{session} [data-action="join"]')
    await page.keyboard.press("Enter")
    await window.button(sample.on, "leave").wait_for()
    await expect(page.locator('[data-part="roster"] [data-person="dan"]')).to_have_count(1)
