"""What the README shows to be copied works: taken from its text, against a real hub.

Nothing here comes from npm: the React hook is called by a stand-in for React's two functions, and was tried with React
by hand. So were signing a token with jsonwebtoken, and the parts for nginx and Caddy, with these programs.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, WebSocket

from benchmarks import constants, sizing
from tests.browser import opened
from tests.conforming import PRICE
from tests.running import PATIENCE, SECRET, WEBHOOK_SECRET, Client, Running, bearer, free_port, running, token

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SITE = free_port()
THEIRS = f"http://127.0.0.1:{SITE}"
"""A page's own origin, which is not the hub's."""


def block(language: str, having: str) -> str:
    """The one block of code in that language that has those words."""
    (found,) = (
        text
        for kind, text in re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
        if kind == language and having in text
    )
    return str(found)


def defined(source: str, name: str, **names: Any) -> Any:
    """What the code of the README calls `name`; `names` are there before."""
    exec(compile(source, "README.md", "exec"), names)
    return names[name]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub that lets pages of `THEIRS` in."""
    folder = tmp_path_factory.mktemp("readme")
    async with running(folder, allowed_origins=frozenset({THEIRS})) as listening:
        yield listening


@asynccontextmanager
async def site(page: str) -> AsyncIterator[None]:
    """Somebody's own site at `THEIRS`: each of its answers is `page`."""
    body = page.encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode() + body)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", SITE):
        yield


async def test_from_an_empty_file_to_a_live_count_in_ten_lines(browser: Browser, hub: Running) -> None:
    page = block("html", "hub-client.js")
    assert len(page.splitlines()) == 10
    session = await a_session(hub)
    page = page.replace("http://127.0.0.1:8000", hub.url).replace("watch(1,", f"watch({session},")
    async with site(page), opened(browser, THEIRS) as watched:
        live = watched.page.locator("#live")
        await live.get_by_text("0", exact=True).wait_for()
        async with Client.at(hub, "ann") as ann:
            await ann.ask(type="join", session=session)
            await live.get_by_text("1", exact=True).wait_for()
            await ann.ask(type="leave", session=session)
            await live.get_by_text("0", exact=True).wait_for()
        assert watched.faults == []


async def a_session(hub: Running) -> int:
    """One in which `ann` has a seat and whose doors are open."""
    session: int = (await hub.create())["id"]
    await hub.book(session, "ann")
    return session


def imported(source: str, hub: Running) -> str:
    """`source` as a part of a function, with this hub's address for the one it names."""
    client = f'const {{ connect }} = await import("{hub.url}/static/hub-client.js");'
    return re.sub(r'import \{ connect \} from "[^"]+";', client, source).replace("export ", "")


STAND_IN = """async ([first, second]) => {
  const slots = []; let at = 0; let id = first; const seen = []; let told = () => 0;
  const useCallback = (call, needs) => {
    const slot = slots[at++] ??= {};
    if (!slot.needs || needs.some((one, index) => one !== slot.needs[index])) Object.assign(slot, { call, needs });
    return slot.call;
  };
  const useSyncExternalStore = (subscribe, get) => {
    const slot = slots[at++] ??= {};
    if (slot.subscribe !== subscribe) {
      slot.end?.();
      Object.assign(slot, { subscribe, end: subscribe(render) });
    }
    return get();
  };
  function render() { at = 0; const state = useSession(id); if (state) { seen.push(state.session); told(); } }
  %s
  const shown = (wanted) => new Promise((resolve) => {
    told = () => { if (seen.at(-1) === wanted) resolve(); };
    render();
  });
  await shown(first);
  id = second;
  await shown(second);
  slots.at(-1).end();
  await new Promise((resolve) => setTimeout(resolve));
  return hub.state(second) === hub.state(second);
}"""
"""React's part, as far as the hook can see it: what it was given is kept from one rendering to the next."""


async def test_the_hook_for_react_follows_what_is_shown_and_lets_go_of_it(browser: Browser, hub: Running) -> None:
    hook = imported(re.sub(r"import .* from \"react\";", "", block("jsx", "useSyncExternalStore")), hub)
    sessions = [await a_session(hub), await a_session(hub)]
    sockets: list[str] = []
    said: list[tuple[str, list[int]]] = []

    def says(frame: str | bytes) -> None:
        message = json.loads(frame)
        said.append((message["type"], message["sessions"]))

    def opens(socket: WebSocket) -> None:
        sockets.append(socket.url)
        socket.on("framesent", says)

    async with opened(browser, f"{hub.url}/docs") as watched:
        await watched.page.locator("#status").wait_for(state="hidden")
        watched.page.on("websocket", opens)
        assert await watched.page.evaluate(STAND_IN % hook, sessions)
        await heard(said, 4)
    assert sockets == [hub.ws]
    first, second = ([session] for session in sessions)
    assert said == [("watch", first), ("unwatch", first), ("watch", second), ("unwatch", second)]


async def heard(said: Sized, count: int) -> None:
    """Wait until the browser has told of so many frames."""
    async with asyncio.timeout(PATIENCE):
        while len(said) < count:  # noqa: ASYNC110  the page tells of it by a call
            await asyncio.sleep(0.02)


async def test_what_a_page_writes_to_be_present_puts_it_in(browser: Browser, hub: Running) -> None:
    session = await a_session(hub)
    text = block("js", "hub.join(1)").replace("join(1)", f"join({session})")
    begin = f'const {{ connect }} = await import("{hub.url}/static/hub-client.js");'
    once = "hub.close(); return hub.state === undefined ? null : meeting"
    async with opened(browser, f"{hub.url}/docs") as watched:
        await watched.page.route("**/hub-token", lambda route: route.fulfill(body=token("ann")))
        async with Client.at(hub) as other:
            await other.ask(type="watch", sessions=[session])
            await watched.page.evaluate(f"async () => {{ {begin}\n{text}\n{once}; }}")
            await other.expect("session", live=1)
        assert watched.faults == []


async def test_the_python_of_the_guide_follows_a_session(hub: Running) -> None:
    source = block("python", "hub.client").replace("http://127.0.0.1:8000", hub.url)
    printed: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    def said(*what: Any) -> None:
        printed.put_nowait(what)

    follow = defined(source, "follow", fresh_token=lambda: token("ann"), print=said)
    session = await a_session(hub)
    following = asyncio.create_task(follow(session))
    try:
        async with asyncio.timeout(PATIENCE):
            assert await printed.get() == (0, "scheduled")
            await hub.start(session)
            assert await printed.get() == (0, "active")
    finally:
        following.cancel()
        await asyncio.wait([following])


async def test_the_token_of_the_guide_is_believed(hub: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_JWT_SECRET", SECRET)
    signed = defined(block("python", "def hub_token"), "hub_token")("s-1", "Amina")
    answer = await hub.call("GET", "/student/my-bookings", {"Authorization": f"Bearer {signed}"})
    assert answer.status_code == 200


async def test_the_webhook_of_the_guide_pays_for_a_seat(hub: Running) -> None:
    session = await hub.create(price=PRICE)
    booking = (await hub.call("POST", f"/{session['id']}/book", bearer("ann"))).json()["data"]
    paid = defined(block("python", "def paid"), "paid")
    said = [await asyncio.to_thread(paid, hub.url, WEBHOOK_SECRET, "msg-1", booking, "pay-1") for _ in range(2)]
    assert (booking["status"], said) == ("pending", ["confirmed", "repeated"])


async def test_the_sizing_tables_are_reckoned_from_the_readmes_own_figures() -> None:
    assert sizing.markdown(sizing.rows()) in README
    assert sizing.markdown(sizing.breaks()) in README
    fast = README[README.index("## How fast") :]
    figures = {
        "resident size of an idle watching": constants.WATCHING_KB,
        "of a joined participant": constants.JOINED_KB,
        "server CPU to connect and watch": constants.CONNECT_US,
        "say who one is and join": constants.JOIN_US,
        "the same, with all that the changes cost": constants.DELIVERY_US,
        "server CPU of one, its line of the log included": constants.BOOKING_US,
        "its commits synced (`--database`), 128 clients": constants.COMMITTED_A_SECOND,
    }
    for what, figure in figures.items():
        (line,) = (line for line in fast.splitlines() if line.startswith("|") and what in line)
        cell = line.split("|")[2].replace(",", "")
        assert float(re.findall(r"[\d.]+", cell)[-1]) == figure, line


async def test_every_link_within_the_readme_leads_to_a_heading() -> None:
    titles = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    headings = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    links = set(re.findall(r"\]\(#([^)]+)\)", README))
    assert links
    assert links <= headings


async def test_every_example_of_a_date_is_to_come() -> None:
    for year in re.findall(r'"startsAt": "(\d{4})', README):
        assert int(year) > datetime.now(UTC).year
