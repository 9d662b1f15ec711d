"""A real browser on a running hub: Debian's Chromium, driven by Playwright, which downloads none of its own here."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Dialog, Error, Page, async_playwright

from tests.processes import missing

PATIENCE_MS = 10_000
NO_CHROMIUM = "install Chromium (Debian: `apt-get install chromium`): it is looked for as `chromium` on the PATH"
UNUSED = (
    # A new window starts two more pages for its address bar: two fifths of what it costs.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    # The last list is the one that counts, so these are Playwright's, as far as a page of 127.0.0.1 can meet them.
    "AimEnabled",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
"""What Chromium does by itself and no test looks at."""
ARGUMENTS = (
    "--no-sandbox",
    "--no-proxy-server",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(UNUSED)}",
)
"""Without a sandbox, as CI is root in a container; it sees 127.0.0.1 alone, and has nothing else to ask for."""

STILL = {"reduced_motion": "reduce"}
"""A window in which something beats costs a twelfth of a core as long as it is open."""

LISTENER = """
addEventListener("securitypolicyviolation", (event) =>
  hubTestViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Watched:
    """A page, and what it should not do."""

    page: Page
    violations: list[str] = field(default_factory=list)
    """What the content security policy stopped."""
    errors: list[str] = field(default_factory=list)
    """Exceptions that nobody caught."""
    console: list[str] = field(default_factory=list)
    """Errors on the console: requests that failed, and what the browser refuses."""
    dialogs: list[str] = field(default_factory=list)
    """What was alerted."""

    @property
    def faults(self) -> list[str]:
        """Whatever happened that must not."""
        refused = [line for line in self.console if "Content Security Policy" in line or "TrustedHTML" in line]
        return [*self.violations, *self.errors, *self.dialogs, *refused]

    def forget(self) -> None:
        """Whatever happened so far."""
        for happened in (self.violations, self.errors, self.console, self.dialogs):
            happened.clear()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Chromium with a profile of its own; where there is none the test is skipped, or fails where `CI` is set."""
    program = shutil.which("chromium")
    if program is None:
        missing(NO_CHROMIUM)
    async with launched(program) as browser:
        yield browser


@asynccontextmanager
async def launched(program: str) -> AsyncIterator[Browser]:
    """The Chromium that is `program`, with a profile of its own."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program, headless=True, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(browser: Browser, url: str, **context: Any) -> AsyncIterator[Watched]:
    """A page of a person's own at `url`, loaded; `context` is Playwright's (`bypass_csp`, `viewport`, `locale` …).

    An empty `url` opens nothing yet, so that routes can be set before. Nothing moves in it unless `context` says so.
    """
    alone = await browser.new_context(**STILL | context)
    try:
        page = await alone.new_page()
        page.set_default_timeout(PATIENCE_MS)
        watched = Watched(page)
        await _watch(watched)
        if url:
            await page.goto(url)
        yield watched
    finally:
        await alone.close()


async def _watch(watched: Watched) -> None:
    page = watched.page

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            watched.console.append(f"{message.text} ({message.location['url']})")

    async def alerted(dialog: Dialog) -> None:
        watched.dialogs.append(dialog.message)
        await dialog.dismiss()

    def threw(error: Error) -> None:
        watched.errors.append(str(error))

    def violated(what: str) -> None:
        watched.violations.append(what)

    page.on("console", said)
    page.on("pageerror", threw)
    page.on("dialog", alerted)
    await page.expose_function("hubTestViolation", violated)
    await page.add_init_script(LISTENER)


async def sign_in(watched: Watched, token: str) -> None:
    """Become the bearer of `token` by the page's own form."""
    await watched.page.locator("#token").fill(token)
    await watched.page.locator("#token-form button").click()
    await watched.page.locator("#signed-in").wait_for()
    await watched.page.locator("#groups[aria-busy=false]").wait_for()
