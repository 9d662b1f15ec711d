"""Windows on a hub: each a person's, with a browser context of its own, and what is seen and pressed there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.browser import PATIENCE_MS, Watched, opened, sign_in
from tests.running import Running, token

RECORDER = """
([selector, attribute]) => {
  const shown = () => {
    const found = document.querySelector(selector);
    return found && (attribute ? found.getAttribute(attribute) : found.textContent.trim());
  };
  const seen = [shown()];
  new MutationObserver(() => {
    const now = shown();
    if (now !== seen.at(-1)) seen.push(now);
  }).observe(document.documentElement, { subtree: true, childList: true, characterData: true, attributes: true });
  (window.hubTestSeen ??= {})[selector] = seen;
}
"""
"""Keeps every value that an element has, whatever sets it; null while it is not there."""

DOWN = ("WebSocket connection to", "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
"""What the browser itself says of a server that is away; no page can keep it from doing so."""
REFUSED = ("/book)",)
"""Where a refusal is what a test asked for: the browser tells of every answer from 400 on."""

Taken = Callable[[Route], Any]
"""Whoever takes a request of a page."""


@dataclass
class Window:
    """One window of one person, who may be nobody."""

    watched: Watched
    hub: Running
    excused: Sequence[str] = ()

    @property
    def page(self) -> Page:
        """Playwright's."""
        return self.watched.page

    @property
    def faults(self) -> list[str]:
        """What happened that must not: exceptions, what the policy stopped, errors on the console without excuse."""
        console = [line for line in self.watched.console if not any(word in line for word in self.excused)]
        return [*self.watched.faults, *console]

    async def show(self, route: str) -> None:
        """Go to one of the page's own addresses, as its links do."""
        await self.page.evaluate("route => { location.hash = route }", route)

    async def home(self) -> None:
        """Go to the list; what was typed is given up."""
        await self.show("#/")
        leave = self.page.get_by_role("dialog").get_by_role("button", name="Leave")
        await leave.or_(self.page.locator("#q")).first.wait_for()
        if await leave.is_visible():
            await leave.click()
        await self.page.locator("#groups[aria-busy=false]").wait_for()

    async def visit(self, session_id: int) -> None:
        """Go to a session's own page, and wait until it and its count are there."""
        await self.show(f"#/sessions/{session_id}")
        await self.part(session_id).wait_for()

    def part(self, session_id: int, rest: str = "") -> Locator:
        """Whatever shows this session, or something within it."""
        return self.page.locator(f'[data-session="{session_id}"] {rest}'.strip())

    def says(self, session_id: int, name: str) -> Locator:
        """A part of it that says something."""
        return self.part(session_id, f'[data-field="{name}"]')

    def button(self, session_id: int, action: str) -> Locator:
        """One of its buttons, if it can be pressed."""
        return self.part(session_id, f'[data-action="{action}"]:not(:disabled, [aria-disabled="true"])')

    async def press(self, session_id: int, action: str) -> None:
        """Press it, and once more if it asks back."""
        await self.button(session_id, action).click()
        sure = self.part(session_id, f'[data-action="{action}"].sure')
        if await sure.count():
            await sure.click()

    async def enter(self, session_id: int) -> None:
        """Join, and wait until one is in."""
        await self.press(session_id, "join")
        await self.button(session_id, "leave").wait_for()

    async def has_status(self, session_id: int, status: str) -> None:
        """Wait until the session is shown to be so."""
        await self.page.locator(f'[data-session="{session_id}"][data-status="{status}"]').wait_for()

    async def counts(self, session_id: int, people: int) -> None:
        """Wait until its count says so."""
        await expect(self.says(session_id, "live")).to_have_text(begins(people), timeout=PATIENCE_MS)

    async def names(self, *people: str) -> None:
        """Wait until the roster lists these and nobody else."""
        roster = self.page.locator('[data-part="roster"]')
        for person in people:
            await roster.locator(f'[data-person="{person}"]').wait_for()
        await expect(roster.locator("[data-person]")).to_have_count(len(people), timeout=PATIENCE_MS)

    async def connected(self, state: str = "open") -> None:
        """Wait until the connection is shown to be so."""
        await self.page.locator(f"#connection[data-state={state}]").wait_for(timeout=2 * PATIENCE_MS)

    async def record(self, selector: str, attribute: str = "") -> None:
        """From now on keep every text of an element, or every value of an attribute of it."""
        await self.page.evaluate(RECORDER, [selector, attribute])

    async def recorded(self, selector: str) -> list[str | None]:
        """What there was since, the present one last."""
        seen: list[str | None] = await self.page.evaluate("selector => hubTestSeen[selector]", selector)
        return seen


def count_of(session_id: int) -> str:
    """Where a session's count stands."""
    return f'[data-session="{session_id}"] [data-field="live"]'


def begins(people: int) -> re.Pattern[str]:
    """A text that begins with this number."""
    return re.compile(rf"^\s*{people}(?!\d)")


@dataclass
class Windows:
    """The windows of a test."""

    browser: Browser
    stack: AsyncExitStack
    all: list[Window] = field(default_factory=list)
    lasting: dict[str, Window] = field(default_factory=dict)

    async def open(
        self,
        hub: Running,
        sub: str = "",
        role: str = "student",
        *,
        excused: Sequence[str] = (),
        routes: Mapping[str, Taken] = MappingProxyType({}),
        **context: Any,
    ) -> Window:
        """One more, with the list, the hub heard, and `sub` signed in if there is one; `context` is Playwright's.

        `routes` are addresses whose requests are taken, and by whom.
        """
        watched = await self.stack.enter_async_context(opened(self.browser, "", **context))
        window = Window(watched, hub, excused)
        self.all.append(window)
        for address, taken in routes.items():
            await watched.page.route(address, taken)
        await watched.page.goto(hub.url)
        if sub:
            await sign_in(watched, token(sub, role))
        await window.connected()
        await watched.page.locator("#groups[aria-busy=false]").wait_for()
        return window

    @asynccontextmanager
    async def lent(self, hub: Running, sub: str = "", role: str = "student") -> AsyncIterator[Window]:
        """The window of `sub`, for one test after the other: each answers for its faults, and leaves it at the list.

        What failed to come back is not lent again.
        """
        window = self.lasting.pop(sub, None) or await self.open(hub, sub, role)
        assert not window.faults, window.faults
        window.excused = ()
        window.watched.forget()
        yield window
        assert not window.faults, window.faults
        await window.home()
        assert not window.faults, window.faults
        self.lasting[sub] = window


@asynccontextmanager
async def windows(browser: Browser) -> AsyncIterator[Windows]:
    """Room for windows, closed in the end; whatever faults they had by then fail the test."""
    async with AsyncExitStack() as stack:
        room = Windows(browser, stack)
        yield room
        faults = [fault for window in room.all for fault in window.faults]
        assert not faults, faults
