"""What is wrong is refused by its name, in the one form of a refusal, and leaves no trace in any table."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
import pytest_asyncio

from tests import bad_bodies, bad_requests
from tests.bad_requests import HOOK, JSON, Bad
from tests.running import EXPERT, OTHER_EXPERT, PATIENCE, WEBHOOK_SECRET, Running, bearer, now
from tests.stored import Looks

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEOPLE = {"expert": EXPERT, "other": OTHER_EXPERT, "ann": bearer("ann"), "bob": bearer("bob")}
MEMBERS = {"type", "title", "status", "detail", "instance", "success", "code"}
TABLE = (*bad_bodies.ALL, *bad_requests.ALL)
World = tuple[Looks, dict[str, Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(shared: Running) -> World:
    """One hub with a session of each kind, by name."""
    ids: dict[str, Any] = {name: (await shared.create())["id"] for name in ("open", "active", "ended", "cancelled")}
    ids["full"] = (await shared.create(maxParticipants=1))["id"]
    ids["paid"] = (await shared.create(price={"amount": 1500, "currency": "KES"}))["id"]
    for name in ("active", "ended"):
        await shared.start(ids[name])
    await shared.call("PATCH", f"/{ids['ended']}/end")
    await shared.call("DELETE", f"/{ids['cancelled']}")
    for name in ("open", "full"):
        await shared.book(ids[name], "ann")
    held = await shared.call("POST", f"/{ids['paid']}/book", bearer("ann"))
    ids["booking"] = held.json()["data"]["id"]
    looks = Looks(shared)
    looks.look()
    return looks, ids


@pytest.fixture
def changing(world: World) -> Iterator[Running]:
    """For what is good: what it changes, no wrong request did."""
    yield world[0].running
    world[0].look()


async def send(running: Running, bad: Bad, path: str) -> tuple[int, dict[str, str], bytes]:
    """Send the request as it is, past every client's own care; status, headers and body of the answer."""
    headers = {"host": "hub.example", **(PEOPLE[bad.who] if bad.who else {}), **bad.headers}
    body = bad.body or b""
    if body or bad.method in ("POST", "PATCH", "PUT"):
        headers.setdefault("content-length", str(len(body)))
    lines = [f"{bad.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            head = await reader.readuntil(b"\r\n\r\n")
            status, *fields = head.decode("latin-1").split("\r\n")
            told = {name.lower(): value for name, _, value in (line.partition(": ") for line in fields)}
            content = await reader.readexactly(int(told["content-length"]))
        finally:
            writer.close()
    return int(status.split(" ")[1]), told, content


async def is_refused(world: World, bad: Bad) -> None:
    """The whole promise of a refusal."""
    looks, ids = world
    path = bad.path
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", str(value))
    status, headers, content = await send(looks.running, bad, path)
    before, after = looks.look()
    assert after == before
    assert status == bad.status, content
    assert headers["content-type"] == "application/problem+json"
    problem = json.loads(content)
    assert problem.keys() >= MEMBERS
    assert (problem["status"], problem["code"], problem["success"]) == (bad.status, bad.code, False)
    assert problem["instance"] == unquote(path.partition("?")[0])
    assert len(problem["detail"]) > 10
    assert problem["detail"][0].isupper() or problem["detail"][0].isdigit()
    assert problem["detail"].endswith((".", "?", "`"))
    assert "Traceback" not in problem["detail"]
    assert "sys." not in problem["detail"]
    if bad.pointer is not None and bad.status == 422:
        assert bad.pointer in [fault["pointer"] for fault in problem["errors"]]
        assert all(fault["detail"] for fault in problem["errors"])
    if status == 401:
        assert headers["www-authenticate"].startswith("Bearer")
    if status == 405:
        assert headers["allow"]


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
async def test_a_wrong_request_is_refused_and_changes_nothing(world: World, bad: Bad) -> None:
    await is_refused(world, bad)


async def test_no_wrong_request_is_told_twice() -> None:
    names = [bad.name for bad in TABLE]
    assert len(names) == len(set(names)) >= 150


async def test_the_good_request_of_the_table_is_good(changing: Running) -> None:
    answer = await changing.call("POST", "", json=dict(bad_requests.GOOD))
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "title",
    [
        "\U0001f469\u200d\U0001f33e Ask a farmer",
        "Des questions\u202f?",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "農業\u3000相談",
        "Cafe\u0301",
        "\u05e9\u05dc\u05d5\u05dd \u200fabc",
        "a" * 200,
    ],
)
async def test_words_of_every_language_are_titles(changing: Running, title: str) -> None:
    assert (await changing.create(title=title))["title"] == title


def signature(webhook_id: str, timestamp: str, body: bytes) -> str:
    """Standard Webhooks, v1."""
    key = base64.b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def payment(booking: str, **data: Any) -> dict[str, Any]:
    """What a provider says when all went well."""
    members = {"bookingId": booking, "amount": 1500, "currency": "KES", "reference": "r-1"}
    return {"type": "payment.succeeded", "data": members | data}


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("no headers", {}),
        ("no signature", {"webhook-id": "m1", "webhook-timestamp": "now"}),
        ("no id", {"webhook-timestamp": "now", "webhook-signature": "good"}),
        ("no timestamp", {"webhook-id": "m1", "webhook-signature": "good"}),
        ("old", {"webhook-id": "m1", "webhook-timestamp": "-600", "webhook-signature": "good"}),
        ("of tomorrow", {"webhook-id": "m1", "webhook-timestamp": "+600", "webhook-signature": "good"}),
        ("another id", {"webhook-id": "m2", "webhook-timestamp": "now", "webhook-signature": "good"}),
        *(
            (f"timestamp {text}", {"webhook-id": "m1", "webhook-timestamp": text, "webhook-signature": "good"})
            for text in ("x", "1e400", "nan", "-1", "9" * 30)
        ),
        *(
            (f"signature {text}", {"webhook-id": "m1", "webhook-timestamp": "now", "webhook-signature": text})
            for text in ("", "v1", "v1,", "v1,AAAA", "v2,good", "good,v1", "v1,\xe9", "v1a,AAAA v1,====", " ", ",")
        ),
        ("id too long", {"webhook-id": "m" * 256, "webhook-timestamp": "now", "webhook-signature": "good"}),
    ],
)
async def test_a_webhook_signed_wrongly_is_refused(world: World, name: str, headers: dict[str, str]) -> None:
    body = json.dumps(payment(world[1]["booking"])).encode()
    seconds = str(int(now().timestamp()))
    told = dict(headers)
    if "webhook-timestamp" in told and told["webhook-timestamp"][:2] in ("no", "-6", "+6"):
        told["webhook-timestamp"] = str(int(seconds) + int(told["webhook-timestamp"].replace("now", "0")))
    if told.get("webhook-signature") == "good":
        told["webhook-signature"] = signature("m1", told.get("webhook-timestamp", seconds), body)
    told["content-type"] = JSON
    await is_refused(world, Bad(f"webhook: {name}", "POST", HOOK, 400, "invalid_signature", body, None, told))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"{}", "/type"),
        (b'{"type":"payment.succeeded"}', "/data"),
        (json.dumps(payment("b") | {"type": 7}).encode(), "/type"),
        (json.dumps(payment("b") | {"data": []}).encode(), "/data"),
        (json.dumps(payment("")).encode(), "/data/bookingId"),
        (json.dumps(payment("b" * 65)).encode(), "/data/bookingId"),
        (json.dumps(payment("b", amount=-1)).encode(), "/data/amount"),
        (json.dumps(payment("b", amount="1500")).encode(), "/data/amount"),
        (json.dumps(payment("b", amount=2**63)).encode(), "/data/amount"),
        (json.dumps(payment("b", currency="kes")).encode(), "/data/currency"),
        (json.dumps(payment("b", reference="a\x00")).encode(), "/data/reference"),
        (json.dumps(payment("b")).encode()[:-1] + b',"type":"payment.failed"}', ""),
    ],
)
async def test_a_webhook_signed_well_that_says_nonsense_is_refused(world: World, body: bytes, pointer: str) -> None:
    seconds = str(int(now().timestamp()))
    headers = {"webhook-id": "m9", "webhook-timestamp": seconds, "webhook-signature": signature("m9", seconds, body)}
    bad = Bad("webhook", "POST", HOOK, 422, "invalid_input", body, None, headers, pointer)
    await is_refused(world, bad)


@pytest.mark.parametrize("body", [json.dumps(payment("b")).encode("utf-16"), b'{"type": "\xed\xa0\x80"}'])
async def test_a_webhook_that_is_not_utf_8_has_no_signature(world: World, body: bytes) -> None:
    seconds = str(int(now().timestamp()))
    headers = {"webhook-id": "m9", "webhook-timestamp": seconds, "webhook-signature": signature("m9", seconds, body)}
    await is_refused(world, Bad("webhook", "POST", HOOK, 400, "invalid_signature", body, None, headers))
