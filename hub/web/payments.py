"""The payment provider's webhook: Standard Webhooks signatures, and one effect however often it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from standardwebhooks import Webhook, WebhookVerificationError

from hub import strictjson, views
from hub.domain.model import Payment
from hub.domain.payments import Outcome, PaymentType, settle
from hub.errors import InvalidSignature, Unavailable
from hub.ledger import Ledger
from hub.store import reads
from hub.store.database import Database
from hub.web import forms
from hub.web.http import Answer, Call

LONGEST_ID = 255


class OutcomeView(views.View):
    """What came of a payment message."""

    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Payments:
    """The webhook's handler; without `webhook` (no secret is configured) it refuses everything."""

    database: Database
    ledger: Ledger
    webhook: Webhook | None
    clock: Callable[[], datetime]

    async def receive(self, call: Call) -> Answer:
        """Verify, then settle."""
        self._verify(call)
        value = strictjson.parse(call.raw)
        if isinstance(value, dict) and isinstance(value.get("type"), str) and value["type"] not in tuple(PaymentType):
            # A provider's other events: their data has other members, and a refusal would be sent again for days.
            return Answer(OutcomeView(outcome=Outcome.IGNORED), bare=True)
        message = forms.read(forms.PaymentMessage, value)
        outcome = await self._settle(message, call.headers["webhook-id"])
        return Answer(OutcomeView(outcome=outcome), bare=True)

    def _verify(self, call: Call) -> None:
        if self.webhook is None:
            raise Unavailable("Payments are not configured here: set HUB_PAYMENT_WEBHOOK_SECRET.", retry_after=300)
        if len(call.headers.get("webhook-id", "")) > LONGEST_ID:
            raise InvalidSignature(f"The webhook-id may hold {LONGEST_ID} characters at most.")
        try:
            self.webhook.verify(call.raw, dict(call.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):
            raise InvalidSignature() from None

    async def _settle(self, message: forms.PaymentMessage, webhook_id: str) -> Outcome:
        place = await self.database.read(partial(reads.booking_place, booking_id=message.data.booking_id))
        if place is None:
            return Outcome.IGNORED
        session_id, user_id = place
        payment = Payment(
            id=webhook_id,
            session_id=session_id,
            booking_id=message.data.booking_id,
            type=message.type,
            amount=message.data.amount,
            currency=message.data.currency,
            reference=message.data.reference,
            received_at=self.clock(),
            outcome="",
        )
        return await self.ledger.act(
            session_id,
            partial(settle, payment=payment),
            about=[user_id],
            bookings=[payment.booking_id],
            payments=[payment.id],
        )
