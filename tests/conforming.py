"""REST as the reference says: every answer these helpers get is held against the hub's own OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator, FormatChecker

from tests.running import API, EXPERT, Running, bearer, now, running

ANN = bearer("ann", name="Ann")
BEN = bearer("ben", name="Ben")
PRICE = {"amount": 1500, "currency": "KES"}


class Reference:
    """An OpenAPI document that answers can be held against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The described operation that a request meets; fixed paths come first. HEAD is described by GET."""
        method = "get" if method == "HEAD" else method.lower()
        for template in sorted(self.document["paths"], key=lambda known: "{" in known):
            if _fits(template, path):
                described: dict[str, Any] | None = self.document["paths"][template].get(method)
                return described
        return None

    def check(self, response: httpx2.Response) -> None:
        """Fails when the answer is not among those that are described for its request."""
        request = response.request
        described = self.operation(request.method, request.url.path)
        if described is None or response.status_code == 405:
            assert response.status_code in (404, 405), f"{request.method} {request.url.path} is not described"
            self.check_problem(response)
            return
        assert str(response.status_code) in described["responses"], f"{response.status_code} is not: {response.text}"
        answer = described["responses"][str(response.status_code)]
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in answer["content"], f"{media_type} is not described"
        for header in answer.get("headers", {}):
            assert header in response.headers or header in ("Retry-After", "RateLimit", "RateLimit-Policy")
        if request.method == "HEAD":
            return
        if media_type.endswith("json"):
            self.validate(answer["content"][media_type]["schema"], response.json())
        if response.status_code >= 400:
            self.check_problem(response)

    def check_problem(self, response: httpx2.Response) -> None:
        """RFC 9457, with the members the contract adds."""
        assert response.headers["content-type"] == "application/problem+json"
        if response.request.method == "HEAD":
            return
        body = response.json()
        self.validate({"$ref": "#/components/schemas/Problem"}, body)
        assert body["success"] is False
        assert body["status"] == response.status_code
        assert body["instance"] == response.request.url.path
        assert body["detail"]

    def validate(self, schema: Mapping[str, Any], value: Any) -> None:
        """Fails when `value` does not fit, or has a member that its schema does not name."""
        whole = {**_closed(self.document["components"]), **schema}
        validator = Draft202012Validator(whole, format_checker=FormatChecker())
        assert [error.message for error in validator.iter_errors(value)] == []


def _fits(template: str, path: str) -> bool:
    ours, theirs = template.split("/"), path.removesuffix("/").split("/") if path != "/" else ["", ""]
    return len(ours) == len(theirs) and all(
        our == their or (our.startswith("{") and their != "") for our, their in zip(ours, theirs, strict=True)
    )


def _closed(components: dict[str, Any]) -> dict[str, Any]:
    return _closed_text(json.dumps(components, sort_keys=True))


@cache
def _closed_text(components: str) -> dict[str, Any]:
    """The components with every object closed: an answer may not say more than its reference."""
    whole = json.loads(components)
    for schema in whole["schemas"].values():
        if schema.get("type") == "object":
            schema["additionalProperties"] = False
    return {"components": whole}


async def ask(
    hub: Running, method: str, path: str = "", headers: Mapping[str, str] = EXPERT, **more: Any
) -> httpx2.Response:
    """One request below /api/live-sessions, its answer held against the reference."""
    return await ask_at(hub, method, API + path, headers, **more)


async def ask_at(
    hub: Running, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
) -> httpx2.Response:
    """One request, its answer held against the reference."""
    async with hub.http() as http:
        response = await http.request(method, path, headers=dict(headers or {}), **more)
    (await reference(hub)).check(response)
    return response


async def got(hub: Running, path: str = "", headers: Mapping[str, str] = EXPERT, **query: Any) -> Any:
    """What a GET that must succeed shows: its `data`."""
    response = await ask(hub, "GET", path, headers, params=query)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def refused(
    hub: Running, status: int, code: str, method: str, path: str = "", headers: Mapping[str, str] = EXPERT, **more: Any
) -> dict[str, Any]:
    """The problem that a request must meet."""
    response = await ask(hub, method, path, headers, **more)
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    body: dict[str, Any] = response.json()
    return body


_known: list[Reference] = []


async def reference(hub: Running) -> Reference:
    """What the hub says of itself; it is the same for every hub of one process, so it is read once."""
    if not _known:
        async with hub.http() as http:
            _known.append(Reference((await http.get("/openapi.json")).json()))
    return _known[0]


def one_hub(**changes: Any) -> Any:
    """A fixture `hub` for a whole module, whose tests then run in one loop: a start costs more than most of them."""

    @pytest_asyncio.fixture(loop_scope="module", scope="module", name="hub")
    async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
        async with running(tmp_path_factory.mktemp("hub"), **changes) as listening:
            yield listening

    return hub


class Clock:
    """A clock that goes on when it is told to, never backwards."""

    def __init__(self) -> None:
        self.now = now()

    def __call__(self) -> datetime:
        """What time it is."""
        return self.now

    def go(self, **how_far: float) -> None:
        """Let time pass: `minutes=15`."""
        self.now += timedelta(**how_far)


@asynccontextmanager
async def timed(folder: Path, **changes: Any) -> AsyncIterator[tuple[Running, Clock]]:
    """A hub and its clock. The sweep is put off, so that what happens is done by the clock alone."""
    clock = Clock()
    async with running(folder, clock=clock, **changes) as hub:
        assert hub.hub is not None
        hub.hub.tasks["reaper"].cancel()
        yield hub, clock
