"""The JavaScript client on real hubs, steered by a test: in Node, or in Chromium on a page of another origin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser

from tests.browser import opened
from tests.client.javascript import CLIENT, HERE, node
from tests.running import START_PATIENCE, token

Told = dict[str, Any]


class Steered:
    """A client: `do` gives an order and waits for its answer, `event` waits for what it is told."""

    def __init__(self, send: Callable[[Told], Awaitable[None]], sub: str | None = None) -> None:
        self.heard: list[Told] = []
        """Every event so far, in order, as {event, detail}."""
        self.tokens: Callable[[], str | None] = lambda: token(sub) if sub else None
        """What the next tokens are that it asks for."""
        self._send = send
        self._orders = 0
        self._seen = 0
        self._answers: dict[int, asyncio.Future[Told]] = {}
        self._more = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()

    def told(self, message: Told) -> None:
        """It tells something."""
        if "done" in message:
            waiting = self._answers.pop(message["done"], None)
            if waiting is not None:
                waiting.set_result(message)
        elif message["event"] == "token":
            sending = asyncio.get_running_loop().create_task(self.order("token", self.tokens()))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        else:
            self.heard.append(message)
            self._more.set()

    async def order(self, order: str, argument: Any = None) -> None:
        """Give an order, and do not wait."""
        self._orders += 1
        await self._send({"done": self._orders, "order": order, "with": argument})

    async def do(self, order: str, argument: Any = None) -> Any:
        """Give an order; the answer, or {code, message} where it was refused."""
        waiting = self._answers[self._orders + 1] = asyncio.get_running_loop().create_future()
        await self.order(order, argument)
        async with asyncio.timeout(START_PATIENCE):  # it may be the first, and Node only just starting
            answer = await waiting
        return (
            answer.get("answer") if "answer" in answer else {"code": answer.get("code"), "message": answer["message"]}
        )

    async def event(self, event: str, within: float = START_PATIENCE, **members: Any) -> Told:
        """The next event of this name that has these members; those before it are passed over."""
        async with asyncio.timeout(within):
            while True:
                while self._seen < len(self.heard):
                    heard = self.heard[self._seen]
                    self._seen += 1
                    if heard["event"] == event and members.items() <= heard["detail"].items():
                        detail: Told = heard["detail"]
                        return detail
                self._more.clear()
                await self._more.wait()

    def of(self, event: str) -> list[Told]:
        """Every event of this name so far."""
        return [heard["detail"] for heard in self.heard if heard["event"] == event]


@asynccontextmanager
async def in_node(
    url: str, sub: str | None = None, client: str = CLIENT.as_uri(), times: int = 1
) -> AsyncIterator[Steered]:
    """A client in a Node of its own, whose time runs `times` as fast."""
    options = json.dumps({"url": url, "signs": sub is not None})
    process = await asyncio.create_subprocess_exec(
        node(), str(HERE / "steered.mjs"), client, options, str(times),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    lines, pipe = process.stdout, process.stdin

    async def send(message: Told) -> None:
        pipe.write(json.dumps(message).encode() + b"\n")
        await pipe.drain()

    async def read() -> None:
        async for line in lines:
            steered.told(json.loads(line))

    steered = Steered(send, sub)
    reading = asyncio.create_task(read())
    try:
        yield steered
    finally:
        pipe.close()
        async with asyncio.timeout(START_PATIENCE):
            await process.wait()
            await reading
    assert process.returncode == 0


@asynccontextmanager
async def in_chromium(browser: Browser, page: str, url: str, sub: str | None = None) -> AsyncIterator[Steered]:
    """A client in a page of the site `page` (`site`), imported from the hub at `url` itself."""
    async with opened(browser, page) as watched:

        async def send(message: Told) -> None:
            await watched.page.evaluate("(message) => void window.obey(message)", message)

        steered = Steered(send, sub)
        await watched.page.expose_function("told", steered.told)
        await watched.page.evaluate(
            """async ([url, signs]) => {
              const { drive } = await import("/driver.mjs");
              const client = await import(`${url}/static/hub-client.js`);
              window.obey = drive(client, { signs }, window.told);
            }""",
            [url, sub is not None],
        )
        yield steered
        assert watched.errors == []


@asynccontextmanager
async def site(files: Mapping[str, tuple[str, str]]) -> AsyncIterator[str]:
    """The origin of a site of somebody else, with these files: path → media type and content."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1].decode()
        kind, content = files.get(path, ("text/plain", "nothing here"))
        head = f"HTTP/1.1 {200 if path in files else 404} OK\r\nContent-Type: {kind}\r\n"
        writer.write(f"{head}Content-Length: {len(content.encode())}\r\nConnection: close\r\n\r\n{content}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


DRIVER = {"/": ("text/html", "<!doctype html><title>another site</title>")} | {
    "/driver.mjs": ("text/javascript", (HERE / "driver.mjs").read_text())
}
