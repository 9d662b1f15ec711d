"""A7: a provider's signature by the book (Standard Webhooks), made here without the library that checks it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from hub.values import webhook_secret
from tests.conforming import ANN, PRICE, ask_at, one_hub
from tests.running import API, WEBHOOK_SECRET, Running, now

pytestmark = pytest.mark.asyncio(loop_scope="module")
hub = one_hub()

OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 of `id.timestamp.body` under the octets that the secret is the base64 of."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


@dataclass(frozen=True)
class Message:
    """A signed message, which `sent` may change on its way."""

    id: str
    body: bytes
    timestamp: str

    @property
    def good(self) -> str:
        """Its signature."""
        return signature(WEBHOOK_SECRET, self.id, self.timestamp, self.body)

    @property
    def old(self) -> str:
        """One by a secret that is no longer, or not yet, ours."""
        return signature(OTHER, self.id, self.timestamp, self.body)

    def headers(self, signatures: str) -> dict[str, str]:
        """As the provider sends it."""
        return {
            "webhook-id": self.id,
            "webhook-timestamp": self.timestamp,
            "webhook-signature": signatures,
            "content-type": "application/json",
        }


def message(message_id: str, booking: str = "no-such-booking", ago: int = 0) -> Message:
    """About a booking that nobody knows, so that a good one is `ignored`."""
    data = {"bookingId": booking, "reference": "r-1", **PRICE}
    body = json.dumps({"type": "payment.succeeded", "data": data}).encode()
    return Message(message_id, body, str(int(now().timestamp()) - ago))


async def outcome(hub: Running, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """The status and what came of it."""
    response = await ask_at(hub, "POST", "/api/payments/webhook", dict(headers), content=body)
    assert response.headers["cache-control"] == "no-store"
    told = response.json()
    return response.status_code, told.get("outcome") or told["code"]


GOOD, BAD = (200, "ignored"), (400, "invalid_signature")


async def test_A7_the_known_answer_of_the_specification() -> None:
    known = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    secret, message_id, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    body = '{"test": 2432232314}'
    assert webhook_secret(secret) == secret
    assert signature(secret, message_id, str(at), body.encode()) == known
    assert Webhook(secret).sign(message_id, datetime.fromtimestamp(at, UTC), body) == known


SIGNATURES: Mapping[str, tuple[Callable[[Message], str], tuple[int, str]]] = {
    "one": (lambda sent: sent.good, GOOD),
    "rotated, ours last": (lambda sent: f"{sent.old} {sent.good}", GOOD),
    "rotated, ours first": (lambda sent: f"{sent.good} {sent.old}", GOOD),
    "rotated often": (lambda sent: " ".join([sent.old] * 20 + [sent.good]), GOOD),
    "beside another version": (lambda sent: f"v1a,{sent.good[3:]} {sent.good}", GOOD),
    "another's alone": (lambda sent: sent.old, BAD),
    "only others": (lambda sent: " ".join([sent.old] * 20), BAD),
    "another version alone": (lambda sent: f"v1a,{sent.good[3:]}", BAD),
    "a later version": (lambda sent: f"v2,{sent.good[3:]}", BAD),
    "upper case version": (lambda sent: f"V1,{sent.good[3:]}", BAD),
    "no version": (lambda sent: sent.good[3:], BAD),
    "nothing after the version": (lambda sent: "v1,", BAD),
    "cut short": (lambda sent: sent.good[:-6] + "=", BAD),
    "half of it": (lambda sent: "v1," + base64.b64encode(base64.b64decode(sent.good[3:])[:16]).decode(), BAD),
    "in hex": (lambda sent: "v1," + base64.b64decode(sent.good[3:]).hex(), BAD),
    "a comma too many": (lambda sent: f"{sent.good},", BAD),
    "joined by commas": (lambda sent: f"{sent.old},{sent.good}", BAD),
}


@pytest.mark.parametrize("name", [pytest.param(name, id=f"A7-{name}") for name in SIGNATURES])
async def test_a_message_counts_when_one_of_its_signatures_is_by_our_secret(hub: Running, name: str) -> None:
    sign, expected = SIGNATURES[name]
    sent = message(f"signed {name}")
    assert await outcome(hub, sent.headers(sign(sent)), sent.body) == expected


@pytest.mark.parametrize(
    ("ago", "expected"),
    [(290, GOOD), (0, GOOD), (-290, GOOD), (302, BAD), (-310, BAD), (86_400, BAD), (-86_400, BAD)],
    ids=lambda value: f"A7-{value}",
)
async def test_a_message_counts_within_five_minutes_of_its_time(
    hub: Running, ago: int, expected: tuple[int, str]
) -> None:
    sent = message(f"timed {ago}", ago=ago)
    assert await outcome(hub, sent.headers(sent.good), sent.body) == expected


@pytest.mark.parametrize(
    "timestamp", ["", "soon", "-1", "0", "1e400", "nan", "inf", "9" * 400, "0x10", "2026-01-01T00:00:00Z"]
)
async def test_A7_a_time_that_is_none_is_refused_though_it_is_signed(hub: Running, timestamp: str) -> None:
    sent = Message("odd time", message("x").body, timestamp)
    assert await outcome(hub, sent.headers(sent.good), sent.body) == BAD


def tampered(body: bytes) -> Iterator[bytes]:
    """The body with an octet changed, added or taken away, here and there; and without what is inside."""
    for index in range(0, len(body), 7):
        yield body[:index] + bytes([body[index] ^ 1]) + body[index + 1 :]
    yield from (
        body + b" ",
        b" " + body,
        body[:-1],
        body + body,
        b"",
        b"{}",
        json.dumps(json.loads(body), indent=1).encode(),
    )


async def test_A7_no_octet_of_the_body_or_the_headers_can_be_changed(hub: Running) -> None:
    sent = message("tampered")
    headers = sent.headers(sent.good)
    for body in tampered(sent.body):
        assert await outcome(hub, headers, body) == BAD
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert await outcome(hub, {key: value for key, value in headers.items() if key != name}, sent.body) == BAD
        renamed = {key.replace("webhook", "svix") if key == name else key: value for key, value in headers.items()}
        assert await outcome(hub, renamed, sent.body) == BAD
    assert await outcome(hub, headers | {"webhook-id": "tampered."}, sent.body) == BAD
    # A dot moved between the parts gives the same octets to sign; the time is none then.
    moved = headers | {"webhook-id": f"tampered.{sent.timestamp}", "webhook-timestamp": ""}
    assert await outcome(hub, moved, sent.body) == BAD
    assert await outcome(hub, headers, sent.body) == GOOD


async def test_A7_a_refused_message_settles_nothing_and_does_not_use_up_its_id(hub: Running) -> None:
    session = (await hub.create(price=PRICE))["id"]
    booked = (await ask_at(hub, "POST", f"{API}/{session}/book", ANN)).json()["data"]["id"]
    sent = message("used once", booked)
    for wrong in (sent.old, sent.good[:-2], "v1,"):
        assert await outcome(hub, sent.headers(wrong), sent.body) == BAD
    assert await outcome(hub, sent.headers(f"{sent.old} {sent.good}"), sent.body) == (200, "confirmed")
    assert await outcome(hub, sent.headers(sent.good), sent.body) == (200, "repeated")


async def test_A7_each_signature_is_compared_in_constant_time_and_none_otherwise(
    hub: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def spied(ours: bytes, theirs: bytes) -> bool:
        compared.append((ours, theirs))
        return compare(ours, theirs)

    monkeypatch.setattr("standardwebhooks.webhooks.hmac.compare_digest", spied)
    sent = message("compared")
    assert await outcome(hub, sent.headers(f"{sent.old} {sent.good}"), sent.body) == GOOD
    ours = base64.b64decode(sent.good[3:])
    assert [pair for pair in compared if pair[0] == ours] == [(ours, base64.b64decode(sent.old[3:])), (ours, ours)]


async def test_without_the_check_a_changed_message_would_count(hub: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Webhook, "verify", lambda *_, **__: None)
    sent = message("unchecked")
    assert await outcome(hub, sent.headers(sent.old), sent.body + b" ") == GOOD
