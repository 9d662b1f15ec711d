"""A trip through all that a hub offers, by everyone, rightly and wrongly, with secrets in hand; and what was heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.running import API, Running, draft
from tests.sockets import dial

JSON = {"content-type": "application/json"}
MAY_SEE = ("owner", "seated")


@dataclass
class Trip:
    """Who travels, with which tokens and which meeting; and all that came back but for a meeting to those who may."""

    hub: Running
    http: httpx2.AsyncClient
    tokens: Mapping[str, str]
    meeting: Mapping[str, str]
    heard: dict[str, bytearray] = field(default_factory=dict)
    stored: list[str] = field(default_factory=list)
    """Answers of the API that may be kept."""
    asked: int = 0
    shown: int = 0
    session: int = 0
    paid: int = 0

    def hear(self, where: str, content: bytes) -> None:
        """Keep what was heard."""
        self.heard.setdefault(where, bytearray()).extend(content + b"\n")

    def take_meeting(self, who: str, holder: dict[str, Any]) -> None:
        """The meeting, out of an answer to someone who may see it."""
        if who in MAY_SEE and holder.get("meeting") is not None:
            assert self.meeting["meetingPassword"] == holder.pop("meeting")["password"]
            self.shown += 1

    async def ask(self, who: str, method: str, path: str, **more: Any) -> httpx2.Response:
        """One request, and what came back."""
        headers = ({"authorization": f"Bearer {self.tokens[who]}"} if who in self.tokens else {}) | more.pop("also", {})
        response = await self.http.request(method, self.hub.url + path, headers=headers, **more)
        self.asked += 1
        content = response.content
        if method == "GET" and path.startswith(f"{API}/") and response.status_code == 200:
            with suppress(json.JSONDecodeError, UnicodeDecodeError):
                body = response.json()
                if isinstance(body["data"], dict):
                    self.take_meeting(who, body["data"])
                content = json.dumps(body, ensure_ascii=False).encode()
        label = f"{method} {path} to {who}"
        self.hear(label, repr(response.headers.multi_items()).encode() + content)
        # A calendar entry may be kept, and is asked for again: it is for anyone, and says the same to all.
        kept = "no-cache" if path.endswith("/calendar.ics") and response.status_code == 200 else "no-store"
        if path.startswith("/api/") and response.headers.get("cache-control") != kept:
            self.stored.append(label)
        return response

    async def new_session(self, **changes: Any) -> int:
        """A session with the secrets, and a seat in it for `seated`."""
        body = draft(**self.meeting, **changes)
        response = await self.ask("owner", "POST", API, json=body)
        number: int = response.json()["data"]["id"]
        await self.ask("seated", "POST", f"{API}/{number}/book")
        return number

    async def furnish(self) -> None:
        """The session that everyone looks at, and one where two seats are held and not paid."""
        self.session = await self.new_session()
        self.paid = await self.new_session(price={"amount": 100, "currency": "KES"})
        await self.ask("pending", "POST", f"{API}/{self.paid}/book")

    async def everywhere(self) -> None:
        """Every route, by everyone; what changes a session gets one of its own."""
        paths = (await self.ask("anonymous", "GET", "/openapi.json")).json()["paths"]
        for path, operations in paths.items():
            if not path.endswith("/events"):
                for method in operations:
                    await self.at(method.upper(), path)

    async def at(self, method: str, path: str) -> None:
        """One route."""
        everyone = ("anonymous", *self.tokens)
        if method == "GET":
            for who in everyone:
                for number in (self.session, self.paid):
                    await self.ask(who, method, path.format(id=number))
                await self.ask(who, method, path.format(id=self.session), params=self.wrong_query())
            return
        number = await self.new_session() if "{id}" in path else 0
        for body in self.bodies():
            for who in ("stranger", "owner"):
                await self.ask(who, method, path.format(id=number), **body)
        await self.ask("anonymous", method, path.format(id=number), params=self.wrong_query())
        for wrong in self.wrong_tokens():
            await self.ask("anonymous", method, path.format(id=number), also=wrong)

    def wrong_query(self) -> dict[str, str]:
        """Secrets where none belong."""
        return {"access_token": self.tokens["owner"], "status": self.meeting["meetingPassword"]} | dict(self.meeting)

    def wrong_tokens(self) -> Iterator[dict[str, str]]:
        """Tokens that are none."""
        token = self.tokens["owner"]
        for value in (f"Bearer {token}x", f"Bearer x{token}", f"Basic {token}", token, f"Bearer {token} {token}"):
            yield {"authorization": value}
        yield {"cookie": f"token={token}"}

    def bodies(self) -> Iterator[dict[str, Any]]:
        """Bodies that are fine, and bodies that are wrong in all ways, each with the secrets."""
        url, password = self.meeting["meetingUrl"], self.meeting["meetingPassword"]
        good = draft(**self.meeting)
        wrong: tuple[dict[str, Any], ...] = (
            {"secretNote": password},
            {"title": 7, "description": [password]},
            {"meetingUrl": url.replace("https:", "http:")},
            {"meetingUrl": f"{url} {url}"},
            {"meetingUrl": url.partition("//")[2]},
            {"meetingUrl": url + "a" * 2048},
            {"meetingUrl": {"url": url}},
            {"meetingPassword": password * 10},
            {"meetingPassword": f"\0{password}"},
            {"meetingPassword": [password]},
            {"startsAt": password, "durationMinutes": password, "timezone": password, "price": password},
            {"rosterVisibility": password},
        )
        yield {}
        yield {"json": dict(self.meeting)}
        for changes in wrong:
            yield {"json": good | changes}
            yield {"json": changes}
        text = json.dumps(good, ensure_ascii=False).encode()
        for raw in (text[:-1], text + b"}", text.replace(b"{", b"[", 1), b"\xff" + text, text + b" " * 70_000):
            yield {"content": raw, "also": JSON}
        yield {"content": text, "also": {"content-type": "text/plain"}}
        yield {"content": text.replace(b'"title"', b'"meetingPassword"', 1), "also": JSON}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """A socket of everyone and a stream, that hear all that is told meanwhile."""
        async with AsyncExitStack() as stack:
            tasks = []
            for who in ("anonymous", *self.tokens):
                options: dict[str, Any] = {"proxy": None, "compression": None, "close_timeout": 1}
                socket = await stack.enter_async_context(connect(self.hub.ws, **options))
                tasks.append(asyncio.create_task(self._follow(who, socket)))
                for message in self.messages(who):
                    await socket.send(message)
            tasks.append(asyncio.create_task(self._stream()))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
                assert [end for end in ends if not isinstance(end, asyncio.CancelledError)] == []

    async def _follow(self, who: str, socket: ClientConnection) -> None:
        async for frame in socket:
            message = json.loads(frame)
            self.take_meeting(who, message)
            self.hear(f"frames to {who}", json.dumps(message, ensure_ascii=False).encode())

    async def _stream(self) -> None:
        async with self.hub.http() as http, http.stream("GET", f"{API}/{self.session}/events", timeout=None) as answer:
            async for line in answer.aiter_lines():
                self.hear("the stream", line.encode())

    def messages(self, who: str) -> Iterator[str]:
        """What someone says on a socket: who it is, what it wants to see, and nonsense with secrets in it."""
        if who in self.tokens:
            yield json.dumps({"type": "auth", "id": 0, "token": self.tokens[who]})
        wanted: tuple[dict[str, Any], ...] = (
            {"type": "watch", "sessions": [self.session, self.paid]},
            {"type": "watch", "catalog": True},
            {"type": "join", "session": self.session},
            {"type": "join", "session": self.paid},
            {"type": "roster", "session": self.session},
            {"type": "watch", "sessions": [self.session], **self.meeting},
            {"type": "auth", "token": self.tokens["owner"] + "x"},
            {"type": "auth", "token": {"token": self.tokens["owner"]}},
            {"type": self.meeting["meetingPassword"]},
            {"type": "join", "session": self.meeting["meetingPassword"]},
        )
        for number, message in enumerate(wanted, 1):
            yield json.dumps({"id": number} | message, ensure_ascii=False)

    async def nonsense(self) -> None:
        """What closes a socket."""
        text = json.dumps({"type": "auth", "token": self.tokens["owner"], **self.meeting})
        for said in (text[:-1], text.encode(), text + " " * 20_000):
            async with dial(self.hub) as client:
                with suppress(ConnectionClosed):
                    await client.socket.send(said)
                    await client.ask(type="ping")
                self.hear("frames to nonsense", repr(client.heard).encode())
                self.hear("closes", f"{client.socket.close_code} {client.socket.close_reason}".encode())
        async with self.hub.http() as http:
            token, upgrade = self.tokens["owner"], {"connection": "upgrade", "upgrade": "websocket"}
            refused = await http.get(f"/ws?token={token}", headers={"authorization": f"Bearer {token}x", **upgrade})
            self.hear("a refused handshake", repr(refused.headers.multi_items()).encode() + refused.content)
