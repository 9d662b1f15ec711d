"""A part of the page by itself: mounted in a document under the hub's own policy, without the shell around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from playwright.async_api import Browser

from tests.browser import Watched, opened
from tests.running import Running, token


def jane() -> Mapping[str, str]:
    """The expert of `tests.running.EXPERT`, as the page knows who it speaks for."""
    return {"id": "e-7", "name": "Dr. Jane Smith", "role": "expert", "token": token("e-7", "expert", "Dr. Jane Smith")}


@asynccontextmanager
async def document(browser: Browser, hub: Running) -> AsyncIterator[Watched]:
    """A document to mount parts in; one for all tests of a file, since to open it takes longer than a test."""
    async with opened(browser, "", timezone_id="Africa/Nairobi", locale="en-GB") as watched:
        # The reference's own script would miss what the parts take the place of.
        await watched.page.route("**/static/docs.js", lambda route: route.fulfill(content_type="text/javascript"))
        await watched.page.goto(f"{hub.url}/docs")
        yield watched
