"""The page lives under its policy, which stops what a hole would let in, and nobody frames it (C1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser import Watched, chromium, opened
from tests.page.alone import document
from tests.running import PATIENCE, Running, running

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub that listens, with one session."""
    async with running(tmp_path_factory.mktemp("policy")) as listening:
        await listening.create()
        yield listening


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacked(browser: Browser, hub: Running) -> AsyncIterator[Watched]:
    """A window for one attack after the other, each on a document of its own."""
    async with document(browser, hub) as watched:
        yield watched


async def test_c1_the_page_and_the_reference_work_under_their_policy(browser: Browser, hub: Running) -> None:
    async with opened(browser, hub.url) as watched:
        await watched.page.get_by_text("Smart Farming Q&A Session").wait_for()
        await watched.page.locator("#connection[data-state=open]").wait_for()
        await watched.page.goto(f"{hub.url}/docs")
        await watched.page.locator("#status").wait_for(state="hidden")
        assert await watched.page.locator("article.item").count() > 40
        assert watched.faults == []


@pytest.mark.parametrize(
    "attack",
    [
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.canary = 1\">')",
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.canary = 1'}))",
        "document.body.setAttribute('onclick', 'window.canary = 1'); document.body.click()",
        "document.createElement('iframe').srcdoc = '<script>parent.canary = 1</script>'",
        "location.href = 'javascript:window.canary = 1'",
        "setTimeout('window.canary = 1')",
        "fetch('http://127.0.0.1:1/').catch(() => 0)",
        "new WebSocket('ws://127.0.0.1:1/')",
        "document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:1/'}))",
    ],
)
async def test_c1_the_policy_stops_what_a_hole_would_let_in(attacked: Watched, hub: Running, attack: str) -> None:
    await attacked.page.goto(f"{hub.url}/docs")
    attacked.forget()
    await attacked.page.evaluate(f"() => {{ try {{ {attack} }} catch {{}} }}")
    await until_violated(attacked)
    assert await attacked.page.evaluate("window.canary") is None


async def until_violated(watched: Watched) -> None:
    """Wait until the policy has stopped something."""
    async with asyncio.timeout(PATIENCE):
        while not watched.violations:  # noqa: ASYNC110  the page tells of it by a call
            await asyncio.sleep(0.02)


@asynccontextmanager
async def other_site(page: str) -> AsyncIterator[str]:
    """The address of a site of somebody else: another port, so another origin. Each of its answers is `page`."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write((head + page).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def framed(browser: Browser, url: str) -> tuple[str, list[str]]:
    """What stands in a frame on somebody else's page when it is to show `url`, and the errors of its console."""
    async with other_site(f"<html><body><iframe id=victim src='{url}'></iframe></body></html>") as outer:
        async with opened(browser, outer) as watched:
            inner = watched.page.frame_locator("#victim").locator("html")
            return await inner.inner_text(), watched.console


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/static/favicon.svg", "/nothing"])
async def test_c1_nobody_frames_it(browser: Browser, hub: Running, path: str) -> None:
    _, console = await framed(browser, f"{hub.url}{path}")

    assert any("frame-ancestors" in line for line in console), console


async def test_control_what_may_be_framed_is(browser: Browser) -> None:
    async with other_site("<html><body>in the frame</body></html>") as harmless:
        shown, console = await framed(browser, harmless)

    assert "in the frame" in shown
    assert not any("frame-ancestors" in line for line in console)


async def test_without_chromium_the_browsers_tests_are_skipped_and_fail_where_ci_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        async with chromium():
            pass
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        async with chromium():
            pass
