"""Pictures of the page of a demo with a crowd: `python -m tests.pictures` for the README, `--all FOLDER` to look at."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from tests.browser import chromium, opened
from tests.processes import free_port
from tests.running import Running, kill, spawn

HERE = Path(__file__).parent / "pictures"
CROWD = 40
SECONDS = 45.0
"""How long people come and go before the pictures are taken: the chart needs something to tell."""
MOST_BYTES = 150_000
SEEDED = f"import random; random.seed(6); from hub.cli import main; main(['demo', '--crowd', '{CROWD}'])"
"""The demo, where the same people come and go each time."""
WIDE = {"width": 1280, "height": 860}
TALL = {"width": 1280, "height": 1380}
PHONE = {"width": 390, "height": 844}
IN_THE_FIELD = "Drip Irrigation, Live in the Field"
MASTERCLASS = "Greenhouse Climate Masterclass"
JANE, STUDENT = "Dr. Jane Smith", "student"
QUIET = """
() => {
  document.activeElement.blur();
  const notice = document.getElementById("notice");
  if (notice) notice.style.visibility = "hidden";
}
"""
"""What the page says for a moment only is not in the picture."""


@dataclass(frozen=True)
class View:
    """What is to be seen: who looks at which address; `title` names the session in it, and `press` what is done."""

    route: str
    shown: str
    who: str = ""
    title: str = ""
    press: tuple[str, ...] = ()


LISTED = "#groups[aria-busy=false] [data-session]"
ONE, EDIT = "#/sessions/{}", "#/sessions/{}/edit"
EXPERTS = '[data-part="attendance"] tr[data-person]'
VIEWS = {
    "watcher": View("#/", LISTED),
    "sessions": View("#/", LISTED, STUDENT),
    "session": View(ONE, '[data-part="roster"] [data-person]', STUDENT, IN_THE_FIELD, ("book", "join")),
    "hold": View(ONE, '[data-field="hold"]', STUDENT, MASTERCLASS, ("book",)),
    "expert": View(ONE, EXPERTS, JANE, IN_THE_FIELD),
    "new": View("#/new", "#session-form", JANE),
    "wrong": View("#/new", "#session-form [aria-invalid=true]", JANE, press=("#session-form [type=submit]",)),
    "edit": View(EDIT, "#session-form", JANE, MASTERCLASS),
    "none": View("#/sessions/999999", 'main a[href="#/"]'),
    "docs": View("/docs", "article"),
}
README: dict[str, tuple[str, dict[str, Any]]] = {
    "sessions": ("sessions", {}),
    "sessions-dark": ("sessions", {"color_scheme": "dark"}),
    "session": ("session", {}),
    "expert": ("expert", {"viewport": TALL}),
    "phone": ("session", {"viewport": PHONE}),
}
KINDS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": PHONE},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark"},
}


@asynccontextmanager
async def demo() -> AsyncIterator[Running]:
    """A demo with a crowd that has come and gone for a while."""
    with tempfile.TemporaryDirectory(prefix="hub-pictures-") as folder:
        hub = await spawn(Path(folder), free_port(), command=("-c", SEEDED))
        try:
            await asyncio.sleep(SECONDS)
            yield hub
        finally:
            await kill(hub)


async def ids(hub: Running) -> dict[str, int]:
    """The demo's sessions by title."""
    async with hub.http() as http:
        listed = await http.get("/api/live-sessions?limit=100")
    return {session["title"]: session["id"] for session in listed.json()["data"]}


async def become(page: Page, who: str) -> None:
    """Choose somebody at the top."""
    option = page.locator("#who option").filter(has_text=who).first  # they may come after the list
    await page.locator("#who").select_option(await option.get_attribute("value"))
    await page.locator("#groups[aria-busy=false]").wait_for()


async def look(page: Page, hub: Running, view: View, known: dict[str, int]) -> None:
    """Bring a view about, whole."""
    if view.route.startswith("/"):
        await page.goto(f"{hub.url}{view.route}")
    else:
        await page.goto(hub.url)
        await page.locator(LISTED).first.wait_for()
        if view.who:
            await become(page, view.who)
        await page.evaluate("route => { location.hash = route }", view.route.format(known.get(view.title)))
    for action in view.press:
        await page.locator(f'[data-action="{action}"]' if action.isalpha() else action).first.click()
    await page.locator(view.shown).first.wait_for()
    if not view.route.startswith("/"):
        await page.locator("#connection[data-state=open]").wait_for()
    await page.evaluate(QUIET)
    await page.mouse.move(0, 0)


async def taken(browser: Browser, hub: Running, view: str, path: Path, whole: bool, **context: Any) -> None:
    """One picture, of the window or of the `whole` page."""
    known = await ids(hub)
    settings = {"viewport": WIDE, "reduced_motion": "reduce", "locale": "en-GB", **context}
    async with opened(browser, "", **settings) as watched:
        await look(watched.page, hub, VIEWS[view], known)
        await watched.page.screenshot(path=path, full_page=whole and view != "docs", animations="disabled")


async def main(every: Path | None) -> list[Path]:
    """The pictures that were made."""
    folder = every or HERE
    folder.mkdir(parents=True, exist_ok=True)
    asked = README if every is None else {f"{view}-{kind}": (view, KINDS[kind]) for view in VIEWS for kind in KINDS}
    async with chromium() as browser, demo() as hub:
        for name, (view, context) in asked.items():
            await taken(browser, hub, view, folder / f"{name}.png", every is not None, **context)
    return [folder / f"{name}.png" for name in asked]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="each view in each theme and width, to look at")
    for picture in asyncio.run(main(parser.parse_args().all)):
        size = picture.stat().st_size
        print(f"{picture}: {size:,} bytes{'' if size <= MOST_BYTES else ', too many'}")  # noqa: T201  it tells
