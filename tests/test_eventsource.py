"""A browser's own EventSource, on a page of another origin: told as it happens, and back by itself after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.browser import opened
from tests.running import API, free_port, kill, spawn

pytestmark = pytest.mark.asyncio(loop_scope="session")

LISTEN = """
(url) => {
  window.seen = [];
  window.lost = 0;
  const source = new EventSource(url);
  source.addEventListener("session", ({lastEventId, data}) => seen.push([lastEventId, JSON.parse(data)]));
  source.addEventListener("message", () => seen.push(["a message without a name", {}]));
  source.addEventListener("error", () => { lost += source.readyState === EventSource.CONNECTING ? 1 : 100; });
}
"""


async def told(page: Page, last: str) -> list[tuple[str, int]]:
    """The ids and the seats taken of all events, once one with the id `last` has come."""
    await page.wait_for_function("(last) => seen.some(([id]) => id === last)", arg=last)
    seen: list[tuple[str, dict[str, Any]]] = await page.evaluate("seen")
    return [(name, state["participants"]) for name, state in seen]


async def test_a_page_of_another_origin_is_told_and_comes_back_after_a_restart_with_the_state_of_then(
    browser: Browser, tmp_path: Path
) -> None:
    port = free_port()
    origin = f"http://localhost:{port}"  # another than http://127.0.0.1, where the stream is
    hub = await spawn(tmp_path, port, HUB_ALLOWED_ORIGINS=origin)
    try:
        session = (await hub.create())["id"]
        async with opened(browser, f"{origin}/favicon.ico", bypass_csp=True) as watched:
            page = watched.page
            await page.evaluate(LISTEN, f"{hub.url}{API}/{session}/events")
            assert await told(page, "1") == [("1", 0)]
            await hub.book(session, "ann")
            assert await told(page, "2") == [("1", 0), ("2", 1)]
            await kill(hub)
            await page.wait_for_function("lost > 0")
            hub = await spawn(tmp_path, port, HUB_ALLOWED_ORIGINS=origin)
            await hub.book(session, "ben")
            after = (await told(page, "3"))[2:]
            assert after == [("3", 2)]  # and neither of those it had
            assert await page.evaluate("lost") < 100
    finally:
        await kill(hub)
