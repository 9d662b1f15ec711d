"""The page in a real browser: what it weighs, when its list is there, and when another browser sees a start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, Error, Page

from benchmarks import browsing, seeding, servers, table
from benchmarks.client import PATIENCE, ask
from benchmarks.machine import KB, Cores, facts
from benchmarks.servers import Server, Stores, token
from benchmarks.wrong import Wrong
from hub.domain.people import Role

TIMES = 30
SESSIONS = 40
API = "/api/live-sessions"
WEIGHT_KB = 60.0
PAINTED_MS = 300.0
SEEN_MS = 150.0
EMPTY = "/healthz"
EXPERTS = ("chart", "attendance", "bookings")

PAINTED = """
(() => {
  const look = new MutationObserver(() => {
    if (!document.querySelector("#groups [data-session]")) return;
    look.disconnect();
    requestAnimationFrame(() => {
      const frame = new MessageChannel();
      frame.port1.onmessage = () => { window.hubPainted = performance.now(); };
      frame.port2.postMessage(null);
    });
  });
  look.observe(document, { subtree: true, childList: true });
})();
"""
"""Milliseconds from the navigation to the end of the frame in which the first session is there."""

FIRST_PAINT = """
() => new Promise((resolve) => {
  new PerformanceObserver((list) => {
    const [first] = list.getEntriesByName("first-contentful-paint");
    if (first) resolve(first.startTime);
  }).observe({ type: "paint", buffered: true });
})
"""
KNOWN = """
(name) => new Promise((resolve) => {
  const look = () => (window[name] ? resolve(window[name]) : setTimeout(look, 5));
  look();
})
"""
"""What an observer of ours noted, once it has."""

CLICKED = """
addEventListener("click", (event) => {
  if (event.target.closest("[data-action=start]")) window.hubClicked = performance.timeOrigin + event.timeStamp;
}, { capture: true });
"""
SEEN = """
(selector) => {
  window.hubSeen = null;
  const look = new MutationObserver(() => {
    if (!document.querySelector(selector)) return;
    look.disconnect();
    window.hubSeen = performance.timeOrigin + performance.now();
  });
  look.observe(document, { subtree: true, childList: true, attributes: true });
}
"""
PINGS = """
(times) => new Promise((resolve, reject) => {
  const socket = new WebSocket(`ws://${location.host}/ws`), took = [];
  let sent;
  const ping = () => { sent = performance.now(); socket.send('{"type":"ping","id":1}'); };
  socket.onerror = () => reject(new Error("no socket"));
  socket.onmessage = ({ data }) => {
    if (sent) took.push(performance.now() - sent);
    if (took.length < times) return ping();
    socket.close();
    resolve(took);
  };
})
"""
"""Milliseconds of each ping, beginning with the welcome."""

NOTES = (
    "each load with a browser context of its own, so with nothing in any cache, once the browser is at rest: opening a",
    "  window keeps both cores busy for a while; it may use them all. KB of 1,024 bytes, heads included.",
    f"painted: from the navigation to the end of the first frame with a session in it; the baseline is {EMPTY}, a line",
    "  of text by the same server, to its first contentful paint.",
    "seen: from the click, by the time that its event carries, until the status stands in the other's DOM; baseline:",
    "  a ping to its pong over a bare WebSocket of the page that sees. Both pages have the machine's clock.",
)


@dataclass(frozen=True)
class File:
    """What the browser fetched: bytes on the wire, and bytes of the body as it was before compression."""

    path: str
    wire: int
    body: int


async def run(folder: Path, stores: Stores, cores: Cores, times: int, say: Callable[[str], None]) -> str:
    """The report."""
    await seeding.catalog(stores, SESSIONS)
    with servers.hub(folder, cores, stores) as hub:
        async with browsing.chromium(cores) as browser:
            try:
                say("page: its weight")
                whole = await _weight(browser, hub, _walk)
                listed = await _weight(browser, hub, _list)
                say(f"page: {times} loads")
                loads = [await _load(browser, hub) for _ in range(times)]
                say(f"page: {times} starts")
                seen, pings = await _starts(browser, hub, times)
            except (Error, TimeoutError) as error:
                raise Wrong(f"the browser says: {error!r}") from error
    rows = [(file.path, _kb(file.wire), _kb(file.body)) for file in listed]
    return table.report(
        f"The page: {len(listed)} files, {times} loads, {times} starts",
        facts(cores),
        rows,
        [*_weights(listed, whole), *_paints(loads), *_seen(seen, pings)],
        *NOTES,
        header=("file", "transferred", "uncompressed"),
    )


def _kb(size: int) -> str:
    return table.amount(size / KB, "KB")


def _weights(listed: list[File], whole: list[File]) -> list[table.Verdict]:
    def page(what: str, files: list[File]) -> table.Verdict:
        wire, body = _sizes([file for file in files if _static(file.path)])
        return table.at_most(what, wire, WEIGHT_KB, "KB", body)

    def content(what: str, files: list[File]) -> table.Verdict:
        wire, body = (table.amount(size, "KB") for size in _sizes([file for file in files if not _static(file.path)]))
        return table.Verdict(what, wire, body)

    return [
        page("files of the list view, transferred (baseline: uncompressed)", listed),
        page("files of every view, the expert's too", whole),
        content("what REST answers to the list view: content, not page", listed),
        content("  to every view", whole),
    ]


def _sizes(files: list[File]) -> tuple[float, float]:
    """KB of `files` on the wire, and of their bodies before compression."""
    return sum(file.wire for file in files) / KB, sum(file.body for file in files) / KB


def _static(path: str) -> bool:
    return not path.startswith("/api/")


def _paints(loads: list[tuple[float, float]]) -> list[table.Verdict]:
    painted, empty = (sorted(times) for times in zip(*loads, strict=True))
    return [
        table.at_most(f"list painted, {name}", table.at(painted, share), PAINTED_MS, "ms", table.at(empty, share))
        for name, share in (("p50", 0.5), ("p95", 0.95))
    ]


def _seen(seen: list[float], pings: list[float]) -> list[table.Verdict]:
    seen, pings = sorted(seen), sorted(pings)
    middle = table.Verdict(
        "start seen by the other, p50",
        table.amount(table.at(seen, 0.5), "ms"),
        table.amount(table.at(pings, 0.5), "ms"),
        table.over(table.at(seen, 0.5), table.at(pings, 0.5)),
    )
    return [middle, table.at_most("p95", table.at(seen, 0.95), SEEN_MS, "ms", table.at(pings, 0.95))]


async def _list(page: Page, hub: Server) -> None:
    await page.goto(f"http://127.0.0.1:{hub.port}/")
    await page.locator("#groups[aria-busy=false] [data-session]").first.wait_for()


async def _signed_in(page: Page, hub: Server) -> None:
    await _list(page, hub)
    await page.locator("#token").fill(token(seeding.OWNER.id, Role.EXPERT))
    await page.locator("#token-form button").click()
    await page.locator("#signed-in").wait_for()


async def _show(page: Page, route: str, selector: str) -> None:
    await page.evaluate("route => { location.hash = route }", route)
    await page.locator(selector).first.wait_for()


async def _walk(page: Page, hub: Server) -> None:
    await _signed_in(page, hub)
    session = _create(hub)
    # By what no view before it has: the list's own buttons would do for a start, and count a view that never came.
    for part in EXPERTS:
        await _show(page, f"#/sessions/{session}", f'[data-part="{part}"][aria-busy="false"]')
    await _show(page, f"#/sessions/{session}/edit", '#session-form [data-action="callOff"]')
    await _show(page, "#/new", '#session-form:not(:has([data-action="callOff"]))')


async def _weight(browser: Browser, hub: Server, go: Callable[[Page, Server], Any]) -> list[File]:
    """All that is fetched on the way, in the order of asking."""
    paths: dict[str, str] = {}
    bodies: dict[str, int] = {}
    wires: dict[str, int] = {}

    def asked(event: Any) -> None:
        paths[event["requestId"]] = urlsplit(event["request"]["url"]).path

    def came(event: Any) -> None:
        bodies[event["requestId"]] = bodies.get(event["requestId"], 0) + event["dataLength"]

    def ended(event: Any) -> None:
        wires[event["requestId"]] = int(event["encodedDataLength"])

    async with browsing.fresh(browser) as page:
        wire = await page.context.new_cdp_session(page)
        for name, hear in (("requestWillBeSent", asked), ("dataReceived", came), ("loadingFinished", ended)):
            wire.on(f"Network.{name}", hear)
        await wire.send("Network.enable")
        await go(page, hub)
        await page.wait_for_load_state("networkidle")
    return [File(paths[one], wires[one], bodies.get(one, 0)) for one in paths if one in wires]


async def _load(browser: Browser, hub: Server) -> tuple[float, float]:
    """Milliseconds until the list is painted, and until a page with a line of text is."""
    async with browsing.fresh(browser) as page:
        await browsing.at_rest(browser)
        await page.goto(f"http://127.0.0.1:{hub.port}{EMPTY}")
        async with asyncio.timeout(PATIENCE):
            empty = await page.evaluate(FIRST_PAINT)
    async with browsing.fresh(browser) as page:
        await page.add_init_script(PAINTED)
        await browsing.at_rest(browser)
        await page.goto(f"http://127.0.0.1:{hub.port}/")
        async with asyncio.timeout(PATIENCE):
            painted = await page.evaluate(KNOWN, "hubPainted")
    return painted, empty


def _create(hub: Server) -> int:
    starts = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    body = {"title": "Start", "startsAt": starts, "durationMinutes": 60}
    created: int = ask(hub.port, "POST", API, token(seeding.OWNER.id, Role.EXPERT), body)["data"]["id"]
    return created


async def _starts(browser: Browser, hub: Server, times: int) -> tuple[list[float], list[float]]:
    """Milliseconds from each click to its being seen, and of as many pings in the page that sees."""
    async with browsing.fresh(browser) as expert, browsing.fresh(browser) as other:
        await expert.add_init_script(CLICKED)
        await _signed_in(expert, hub)
        await _list(other, hub)
        pings: list[float] = await other.evaluate(PINGS, times)
        return [await _start(expert, other, _create(hub)) for _ in range(times)], pings


async def _start(expert: Page, other: Page, session: int) -> float:
    shown = f'[data-session="{session}"]'
    await _show(other, f"#/sessions/{session}", shown)
    await _show(expert, f"#/sessions/{session}", f'{shown} [data-action="start"]')
    await other.evaluate(SEEN, f'{shown}[data-status="active"]')
    await expert.locator(f'{shown} [data-action="start"]').click()
    async with asyncio.timeout(PATIENCE):
        seen: float = await other.evaluate(KNOWN, "hubSeen")
    clicked: float = await expert.evaluate("window.hubClicked")
    return seen - clicked
