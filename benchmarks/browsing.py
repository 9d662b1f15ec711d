"""The browser that pages are measured in: it may use every core, and is at rest before it is asked."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from playwright.async_api import Browser, CDPSession, Page

from benchmarks.client import PATIENCE
from benchmarks.machine import MOMENT, QUIET, QUIET_WITHIN, Cores
from benchmarks.wrong import Wrong
from tests.browser import NO_CHROMIUM, launched


@asynccontextmanager
async def chromium(cores: Cores) -> AsyncIterator[Browser]:
    """Chromium with a profile of its own; raises `Wrong` where there is none."""
    program = shutil.which("chromium")
    if program is None:
        raise Wrong(NO_CHROMIUM)
    async with AsyncExitStack() as stack:
        with cores.everywhere():
            browser = await stack.enter_async_context(launched(program))
        yield browser


@asynccontextmanager
async def fresh(browser: Browser) -> AsyncIterator[Page]:
    """A page with nothing in any cache."""
    alone = await browser.new_context()
    try:
        page = await alone.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        yield page
    finally:
        await alone.close()


async def at_rest(browser: Browser) -> None:
    """Wait until none of its processes works: a new window keeps it busier than the page does; ten seconds at most."""
    wire = await browser.new_browser_cdp_session()
    deadline = time.monotonic() + QUIET_WITHIN
    before = await _used(wire)
    while time.monotonic() < deadline:
        await asyncio.sleep(MOMENT)
        now = await _used(wire)
        if now.keys() == before.keys() and sum(now.values()) - sum(before.values()) < QUIET * MOMENT:
            break
        before = now
    await wire.detach()


async def _used(wire: CDPSession) -> dict[int, float]:
    """The CPU seconds of each of the browser's processes."""
    told = await wire.send("SystemInfo.getProcessInfo")
    return {process["id"]: process["cpuTime"] for process in told["processInfo"]}
