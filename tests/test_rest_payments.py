"""A provider's word about money: signed by Standard Webhooks, with one effect however often it is said."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.conforming import ANN, BEN, PRICE, ask, ask_at, got, one_hub, timed
from tests.running import WEBHOOK_SECRET, Running, now, running

pytestmark = pytest.mark.asyncio(loop_scope="module")
hub = one_hub()

WEBHOOK = "/api/payments/webhook"


async def held(hub: Running, **changes: Any) -> tuple[int, str]:
    """A paid session and the booking by which Ann holds a seat of it."""
    session_id = (await hub.create(price=PRICE, **changes))["id"]
    return session_id, (await ask(hub, "POST", f"/{session_id}/book", ANN)).json()["data"]["id"]


def said(kind: str, booking_id: str, **changes: Any) -> dict[str, Any]:
    """A provider's message about the whole price."""
    return {
        "type": f"payment.{kind}",
        "data": {"bookingId": booking_id, "reference": "r-1", **PRICE} | changes,
        "timestamp": "2026-01-01T00:00:00Z",
    }


def signed(body: bytes, message_id: str, ago: float = 0, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    """The three headers; `ago` in seconds."""
    at = now() - timedelta(seconds=ago)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body.decode()),
        "content-type": "application/json",
    }


async def tell(hub: Running, kind: str, booking_id: str, message_id: str, **changes: Any) -> str:
    """Send a signed message; what came of it."""
    body = json.dumps(said(kind, booking_id, **changes)).encode()
    response = await ask_at(hub, "POST", WEBHOOK, signed(body, message_id), content=body)
    assert response.status_code == 200, response.text
    assert set(response.json()) == {"outcome"}
    outcome: str = response.json()["outcome"]
    return outcome


async def status(hub: Running, session_id: int) -> str:
    """How Ann's newest booking of the session stands."""
    mine = await got(hub, "/student/my-bookings", ANN, limit=100)
    return next(str(one["status"]) for one in mine if one["sessionId"] == session_id)


async def test_money_confirms_the_seat_and_its_refund_frees_it(hub: Running) -> None:
    session_id, booking_id = await held(hub)
    assert await tell(hub, "succeeded", booking_id, "a-1") == "confirmed"
    seen = await got(hub, f"/{session_id}", ANN)
    assert (seen["booking"]["status"], seen["booking"]["expiresAt"]) == ("confirmed", None)
    assert seen["booking"]["confirmedAt"] is not None
    assert (seen["participants"], seen["canJoin"], seen["version"], seen["revision"]) == (1, True, 1, 3)
    assert await tell(hub, "refunded", booking_id, "a-2") == "refunded"
    assert await status(hub, session_id) == "cancelled"
    assert (await got(hub, f"/{session_id}", ANN))["participants"] == 0


async def test_a_failed_payment_releases_the_hold_and_no_confirmed_seat(hub: Running) -> None:
    session_id, booking_id = await held(hub)
    assert await tell(hub, "failed", booking_id, "b-1") == "released"
    assert await status(hub, session_id) == "cancelled"
    session_id, booking_id = await held(hub)
    assert await tell(hub, "succeeded", booking_id, "b-2") == "confirmed"
    assert await tell(hub, "failed", booking_id, "b-3", reference="r-2") == "ignored"
    assert await status(hub, session_id) == "confirmed"


async def test_a_message_said_again_changes_nothing_and_says_so(hub: Running) -> None:
    session_id, booking_id = await held(hub)
    assert await tell(hub, "succeeded", booking_id, "c-1") == "confirmed"
    before = await got(hub, f"/{session_id}", ANN)
    assert await tell(hub, "succeeded", booking_id, "c-1") == "repeated"
    assert await tell(hub, "succeeded", booking_id, "c-2") == "repeated"
    assert await got(hub, f"/{session_id}", ANN) == before


async def test_an_id_that_was_used_for_another_session_is_a_repetition_that_changes_nothing(hub: Running) -> None:
    _, first = await held(hub)
    session_id, second = await held(hub)
    before = await got(hub, f"/{session_id}", ANN)
    assert await tell(hub, "succeeded", first, "c-3") == "confirmed"
    assert await tell(hub, "succeeded", second, "c-3", reference="r-2") == "repeated"
    assert await tell(hub, "failed", second, "c-3") == "repeated"
    assert await got(hub, f"/{session_id}", ANN) == before
    assert await tell(hub, "succeeded", second, "c-4", reference="r-2") == "confirmed"


async def test_an_id_used_for_two_sessions_at_once_is_taken_for_one(hub: Running) -> None:
    bookings = [(await held(hub))[1] for _ in range(5)]
    outcomes = await asyncio.gather(*(tell(hub, "succeeded", booking_id, "d-0") for booking_id in bookings))
    assert sorted(outcomes) == ["confirmed"] + ["repeated"] * 4


async def test_a_message_said_ten_times_at_once_is_taken_once(hub: Running) -> None:
    _, booking_id = await held(hub)
    outcomes = await asyncio.gather(*(tell(hub, "succeeded", booking_id, "d-1") for _ in range(10)))
    assert sorted(outcomes) == ["confirmed"] + ["repeated"] * 9


@pytest.mark.parametrize("changes", [{"amount": 1499}, {"amount": 1501}, {"amount": 0}, {"currency": "EUR"}])
async def test_the_wrong_money_buys_nothing_and_is_owed_back(hub: Running, changes: dict[str, Any]) -> None:
    session_id, booking_id = await held(hub)
    assert await tell(hub, "succeeded", booking_id, f"e-{changes}", **changes) == "refund_required"
    assert await status(hub, session_id) == "pending"


async def test_late_money_confirms_while_a_seat_is_free(tmp_path: Path) -> None:
    async with timed(tmp_path) as (hub, clock):
        session_id, booking_id = await held(hub, maxParticipants=1)
        clock.go(minutes=16)
        assert await status(hub, session_id) == "expired"
        assert await tell(hub, "succeeded", booking_id, "f-1") == "confirmed"
        assert await status(hub, session_id) == "confirmed"
        assert (await got(hub, f"/{session_id}", ANN))["participants"] == 1


@pytest.mark.parametrize("swept", [False, True])
async def test_late_money_for_a_seat_that_is_gone_is_owed_back(tmp_path: Path, swept: bool) -> None:
    async with timed(tmp_path) as (hub, clock):
        session_id, booking_id = await held(hub, maxParticipants=1)
        clock.go(minutes=16)
        if swept:
            assert hub.hub is not None
            await hub.hub.reaper.sweep(recount=False)
        await ask(hub, "POST", f"/{session_id}/book", BEN)
        assert await tell(hub, "succeeded", booking_id, "g-1") == "refund_required"
        assert await tell(hub, "succeeded", booking_id, "g-1") == "repeated"
        assert await status(hub, session_id) == "expired"
        assert await tell(hub, "refunded", booking_id, "g-2") == "refunded"
        assert (await got(hub, f"/{session_id}", BEN))["participants"] == 1


async def test_money_for_a_session_that_is_over_is_owed_back(hub: Running) -> None:
    session_id, booking_id = await held(hub)
    await ask(hub, "DELETE", f"/{session_id}")
    assert await tell(hub, "succeeded", booking_id, "h-1") == "refund_required"
    assert await status(hub, session_id) == "cancelled"


async def test_what_is_not_about_a_booking_of_ours_is_ignored(hub: Running) -> None:
    session_id, booking_id = await held(hub)
    assert await tell(hub, "succeeded", "no-such-booking", "i-1") == "ignored"
    assert await tell(hub, "disputed", booking_id, "i-2") == "ignored"
    assert await tell(hub, "refunded", booking_id, "i-3") == "ignored"
    body = b'{"type": "payout.paid", "data": {"account": 7}}'
    response = await ask_at(hub, "POST", WEBHOOK, signed(body, "i-4"), content=body)
    assert (response.status_code, response.json()) == (200, {"outcome": "ignored"})
    assert await status(hub, session_id) == "pending"


async def test_a_signature_that_does_not_fit_is_refused_before_anything_is_read(hub: Running) -> None:
    session_id, booking_id = await held(hub)
    body = json.dumps(said("succeeded", booking_id)).encode()
    good = signed(body, "j-1")
    other = "whsec_" + "b3RoZXI=" * 4
    wrong: list[tuple[dict[str, str], bytes]] = [
        ({}, body),
        (good, body.replace(b"1500", b"1")),
        (good, b"\xff"),
        (good | {"webhook-id": "j-2"}, body),
        (good | {"webhook-id": "x" * 256}, body),
        (good | {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}, body),
        (good | {"webhook-timestamp": "inf"}, body),
        (good | {"webhook-timestamp": "nan"}, body),
        (good | {"webhook-signature": ""}, body),
        (good | {"webhook-signature": "v1"}, body),
        (good | {"webhook-signature": "v1,*"}, body),
        (good | {"webhook-signature": good["webhook-signature"].replace("v1,", "v2,")}, body),
        (signed(body, "j-1", ago=301), body),
        (signed(body, "j-1", ago=-310), body),
        (signed(body, "j-1", secret=other), body),
    ]
    for headers, content in wrong:
        response = await ask_at(hub, "POST", WEBHOOK, headers, content=content)
        assert (response.status_code, response.json()["code"]) == (400, "invalid_signature"), headers
    assert await status(hub, session_id) == "pending"
    rotated = {
        **good,
        "webhook-signature": f"{signed(body, 'j-1', secret=other)['webhook-signature']} " + good["webhook-signature"],
    }
    assert (await ask_at(hub, "POST", WEBHOOK, rotated, content=body)).json() == {"outcome": "confirmed"}


@pytest.mark.parametrize(
    "message",
    [
        [],
        {},
        {"type": "payment.succeeded"},
        said("succeeded", ""),
        said("failed", "b", amount=-1),
        said("failed", "b", currency="kes"),
    ],
)
async def test_a_signed_message_that_says_nothing_we_know_of_is_invalid(hub: Running, message: Any) -> None:
    body = json.dumps(message).encode()
    response = await ask_at(hub, "POST", WEBHOOK, signed(body, "k-1"), content=body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


async def test_without_a_secret_payments_are_unavailable_rather_than_believed(tmp_path: Path) -> None:
    async with running(tmp_path, payment_webhook_secret=None) as hub:
        body = json.dumps(said("succeeded", "b")).encode()
        response = await ask_at(hub, "POST", WEBHOOK, signed(body, "l-1"), content=body)
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert int(response.headers["retry-after"]) > 0
