"""The reference as a page: found by a word, marked where one is, copied by key, on a phone too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser import Watched, opened
from tests.running import running

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 390, "height": 844}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Where the reference of a hub is."""
    async with running(tmp_path_factory.mktemp("docs")) as hub:
        yield f"{hub.url}/docs"


async def loaded(watched: Watched) -> Page:
    """The page, once it shows all."""
    await watched.page.locator("#status").wait_for(state="hidden")
    return watched.page


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def whole(browser: Browser, url: str) -> AsyncIterator[Watched]:
    """The page, loaded once for what can be seen without loading it anew."""
    async with opened(browser, url) as watched:
        await loaded(watched)
        yield watched


async def test_every_link_within_the_page_leads_somewhere(whole: Watched) -> None:
    anchors = await whole.page.locator("a[href^='#']").evaluate_all("all => all.map((one) => one.hash.slice(1))")
    there = set(await whole.page.locator("[id]").evaluate_all("all => all.map((one) => one.id)"))
    assert len(anchors) > 150
    assert set(anchors) <= there
    assert {"routes", "say", "tell", "close-codes", "closes", "types", "schema-BookingView", "get_one"} <= there


async def test_the_filter_leaves_what_has_all_words_and_says_how_much(whole: Watched) -> None:
    page = whole.page
    await page.get_by_label("Filter the reference").fill("SESSION_FULL POST")
    await page.get_by_text("2 found").wait_for()
    shown = await page.locator("article.item:visible").evaluate_all("all => all.map((one) => one.id)")
    assert sorted(shown) == ["post_one_book", "post_one_join"]
    assert await page.locator("#nav a:visible").count() == 3  # and their part
    await page.get_by_label("Filter the reference").fill("no such thing")
    await page.get_by_text("Nothing has all of these words.").wait_for()
    await page.evaluate("location.hash = '#get_one'")
    await page.locator("#get_one:visible").wait_for()  # an anchor brings back what was filtered out
    assert whole.faults == []


async def test_the_place_where_one_is_is_marked(browser: Browser, url: str) -> None:
    async with opened(browser, f"{url}#patch_one_start") as watched:
        page = await loaded(watched)
        await page.locator("#nav a[aria-current=location][href='#patch_one_start']").wait_for()
        await page.locator("#tell-drain").evaluate("(node) => node.scrollIntoView()")
        await page.locator("#nav a[aria-current=location][href='#tell-drain']").wait_for()
        assert await page.locator("[aria-current]").count() == 1


async def test_the_language_is_one_choice_and_is_remembered(browser: Browser, url: str) -> None:
    async with opened(browser, url) as watched:
        page = await loaded(watched)
        assert await page.locator("#get_one .plain-text").first.is_visible()
        await page.locator("#get_one [data-choice=script]").press("Enter")
        await page.reload()
        await loaded(watched)
        assert await page.locator("#post_sessions .script-text").is_visible()
        assert not await page.locator("#post_sessions .plain-text").first.is_visible()
        assert await page.locator("#post_sessions [data-choice=script]").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize(
    "without",
    ["", "delete Navigator.prototype.clipboard;"],
    ids=["with the clipboard's interface", "over plain HTTP from another machine"],
)
async def test_copying_works_by_key_and_says_so(browser: Browser, url: str, without: str) -> None:
    granted: dict[str, Any] = {"permissions": ["clipboard-read", "clipboard-write"]}
    async with opened(browser, "", **granted) as watched:
        await watched.page.add_init_script(f"window.clipped = navigator.clipboard; {without}")
        await watched.page.goto(url)
        page = await loaded(watched)
        button = page.locator("#post_one_book .copy").first
        await button.press("Enter")
        await page.locator("#said", has_text="Copied").wait_for(state="attached")
        assert (await button.inner_text()).startswith("Copied")
        shown = await page.locator("#post_one_book .plain-text code").first.text_content()
        assert await page.evaluate("clipped.readText()") == shown


async def test_where_nothing_can_be_copied_the_text_is_selected(browser: Browser, url: str) -> None:
    async with opened(browser, "") as watched:
        await watched.page.add_init_script(
            "delete Navigator.prototype.clipboard; Document.prototype.execCommand = () => false;"
        )
        await watched.page.goto(url)
        page = await loaded(watched)
        await page.locator("#post_one_book .copy").first.click()
        await page.get_by_text("Selected: copy it by Ctrl+C").first.wait_for()
        selected = await page.evaluate("String(getSelection())")
        assert selected.startswith("curl ")


async def test_on_a_phone_the_contents_open_and_close_and_nothing_is_wider_than_the_screen(
    browser: Browser, url: str
) -> None:
    async with opened(browser, url, viewport=PHONE) as watched:
        page = await loaded(watched)
        assert not await page.locator("#nav").is_visible()
        await page.get_by_text("Contents").click()
        await page.locator("#nav a[href='#say-join']").click()
        await page.locator("#nav").wait_for(state="hidden")
        await page.locator("#here", has_text="join").wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
