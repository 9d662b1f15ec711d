"""`hub demo`: a hub with sample sessions and people, on a database that is thrown away, with a page to click."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import os
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import click
import msgspec
from standardwebhooks import Webhook
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub import logs
from hub.app import Hub, build
from hub.clock import utc_now
from hub.domain import booking, sessions
from hub.domain.model import Price, RosterVisibility, Session, Status
from hub.domain.payments import PaymentType
from hub.domain.people import Actor, Person, Role
from hub.errors import Fault, InvalidInput, NotFound
from hub.ids import new_id
from hub.keys import SharedSecret
from hub.listening import bind
from hub.sealing import URL, Vault
from hub.server import serve
from hub.settings import MAKE_A_KEY, Settings, WrongSetting
from hub.store import lists, reads
from hub.store.lists import SessionFilter
from hub.store.opening import database_at
from hub.store.reads import Page
from hub.tokens import Tokens, sign
from hub.web import forms, pages
from hub.web.http import Answer, Call, Endpoint, Fields, Operation
from hub.web.payments import OutcomeView, Payments

TOKEN_TTL = timedelta(hours=12)
JANE = Person("expert-jane", "Dr. Jane Smith", Role.EXPERT)
OMAR = Person("expert-omar", "Omar Haddad", Role.EXPERT)
STUDENTS = ("Amina Otieno", "Ben Kimani", "Chiara Rossi", "Dae Park", "Esi Mensah", "Farid Aziz", "Grace Njeri")


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """A session of the demo: `starts` is in minutes from now."""

    title: str
    description: str
    starts: int
    minutes: int
    seats: int | None
    owner: Person = JANE
    price: Price | None = None
    timezone: str = "Africa/Nairobi"
    course: str | None = None
    then: tuple[str, ...] = ()
    booked: int = 0


SAMPLES = (
    Sample(
        "Smart Farming Q&A Session",
        "Bring your questions on sensors, soil and irrigation. No slides, only answers.",
        10,
        60,
        50,
        course="smart-farming",
        booked=6,
    ),
    Sample(
        "Drip Irrigation, Live in the Field", "A walk through a working plot.", -20, 90, 120, then=("start",), booked=7
    ),
    Sample(
        "Soil Health Clinic", "Send a photo of your soil, get a diagnosis.", -5, 45, 8, OMAR, then=("start",), booked=7
    ),
    Sample(
        "Greenhouse Climate Masterclass",
        "Three hours of practice, with certificate.",
        60 * 26,
        180,
        20,
        price=Price(1500_00, "KES"),
        booked=2,
    ),
    Sample(
        "Beekeeping for Beginners",
        "From the first hive to the first harvest.",
        60 * 5,
        75,
        12,
        OMAR,
        price=Price(1900, "EUR"),
        timezone="Europe/Rome",
    ),
    Sample("Office Hours with Dr. Smith", "Two seats, first come, first served.", 120, 30, 2, booked=2),
    Sample("Pest Watch: Fall Armyworm", "What to look for this month.", 60 * 48, 60, None, OMAR, course="crop-health"),
    Sample("Open Field Day", "Come and go as you like.", -10, 240, None, OMAR, then=("start",), booked=4),
    Sample("Seed Saving Workshop", "Choose, dry, store.", -180, 60, 40, then=("start", "end"), booked=5),
    Sample("Composting at Scale", "Heat, turn, sieve.", -60 * 24, 90, None, OMAR, then=("start", "end"), booked=3),
    Sample("Goat Husbandry", "Called off: the vet is ill.", 60 * 30, 60, 30, OMAR, then=("cancel",)),
    Sample(
        "Climate-Smart Rice", "Alternate wetting and drying, with figures.", 60 * 96, 60, 60, timezone="Asia/Manila"
    ),
)


def run(settings: Settings, crowd: int, keep: bool) -> None:
    """Serve the demo until it is stopped; `keep` says that the settings' own database is to be used.

    Raises Unusable and CannotListen; and WrongSetting when a database that outlives the demo would hold passwords
    sealed with a key that does not.
    """
    if keep and settings.secret_key is None:
        raise WrongSetting(
            "HUB_SECRET_KEY: needed with HUB_DATABASE_URL, or the next start can't open the passwords "
            f"that this one seals; {MAKE_A_KEY}"
        )
    if keep:
        asyncio.run(database_at(settings.database_url).migrate())
    logs.set_up(settings.log_format)
    with ExitStack() as held:
        (bound,) = bind(settings.host, settings.port, 1)
        for one in bound:
            held.enter_context(one)
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="hub-demo-"))
        # Never the settings' own: the page gets tokens for anyone by it, and they must be worth nothing elsewhere.
        secret, unused = secrets.token_urlsafe(32), settings.jwt_secret
        settings = dataclasses.replace(
            settings,
            database_url=settings.database_url if keep else f"sqlite:///{Path(folder) / 'demo.db'}",
            jwt_secret=secret,
            jwt_jwks_url=None,
            jwt_audience=None,
            jwt_issuer=None,
            secret_key=settings.secret_key or os.urandom(32),
            max_connections_per_address=settings.max_connections_per_address if not crowd else None,
            payment_webhook_secret=settings.payment_webhook_secret
            or f"whsec_{base64.b64encode(os.urandom(32)).decode()}",
        )
        till = Till(secret, settings.payment_webhook_secret or "")
        routes = [pages.demo_page(), Route("/demo/people", partial(people, secret)), till.route()]
        hub = build(settings, more_routes=routes)
        till.hub = hub
        hub.database.claim()
        if unused is not None:
            click.echo("hub: the demo signs with a secret of its own: HUB_JWT_SECRET is not used", err=True)
        hub.companions.append(partial(_seeded, hub))
        if crowd:
            from hub.crowd import Crowd

            hub.companions.append(partial(Crowd, hub, secret, crowd))
        hub.listening = lambda url: click.echo(f"hub: the demo is at {url}/ - press Ctrl+C to stop", err=True)
        serve(hub, bound)


@asynccontextmanager
async def _seeded(hub: Hub) -> AsyncIterator[None]:
    _, total = await hub.database.read(
        partial(lists.sessions_page, wanted=SessionFilter(), page=Page(1, 1), now=utc_now())
    )
    if not total:
        await seed(hub, utc_now())
    yield


async def people(secret: str, request: Request) -> Response:
    """Who the page may be: the experts, and a student with a fresh id; each with a token. Only the demo has this."""
    now = utc_now()
    student = Person(f"student-{secrets.token_hex(4)}", secrets.choice(STUDENTS), Role.STUDENT)
    known = [
        {
            "id": person.id,
            "name": person.name,
            "role": person.role.value,
            "token": sign(secret, person.id, person.name, person.role, ttl=TOKEN_TTL, now=now),
        }
        for person in (JANE, OMAR, student)
    ]
    return JSONResponse({"success": True, "data": known}, headers={"cache-control": "no-store"})


class Pay(forms.Form):
    """Which booking a person of the demo pays."""

    booking: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Till:
    """The demo's payment provider: whoever asks has paid, and `hub`, set once it is built, is told as by a real one."""

    hub: Hub

    def __init__(self, secret: str, webhook_secret: str) -> None:
        self._tokens = Tokens(SharedSecret(secret), audience=None, issuer=None, clock=utc_now)
        self._webhook = Webhook(webhook_secret)

    def route(self) -> Route:
        """`POST /demo/pay`, for students."""
        pay = Operation(
            method="POST", path="/demo/pay", summary="Pay a booking", handler=self.pay, who="student",
            body=Pay, answers=OutcomeView, codes=[NotFound],
        )  # fmt: skip
        return Route(pay.path, Endpoint([pay], self))

    async def enter(self, authorization: str | None, address: str, told: Fields) -> Actor | None:
        """Who asks; nobody is counted here."""
        return None if authorization is None else await self._tokens.bearer(authorization)

    async def pay(self, call: Call) -> Answer:
        """Sign what a provider would say of the caller's own booking, and take it in as the webhook does."""
        database, booking, payer, now = self.hub.database, call.body.booking, call.signed_in.id, utc_now()
        place = await database.read(partial(reads.booking_place, booking_id=booking))
        if place is None or place[1] != payer:
            raise NotFound(f"You have no booking {booking!r}.")
        seen = await database.read(partial(reads.one_session, session_id=place[0], now=now))
        price = seen.session.price
        if price is None:
            raise InvalidInput.of([Fault("/booking", "must be of a session that has a price")])
        money = {"amount": price.amount, "currency": price.currency}
        about = {"bookingId": booking, **money, "reference": f"demo-{booking}"}
        raw = msgspec.json.encode({"type": PaymentType.SUCCEEDED, "data": about})
        key = new_id()
        signature = self._webhook.sign(key, now, raw.decode())
        stamp = str(int(now.timestamp()))
        call.headers = {"webhook-id": key, "webhook-timestamp": stamp, "webhook-signature": signature}
        call.raw = raw
        payments = Payments(database=database, ledger=self.hub.ledger, webhook=self._webhook, clock=utc_now)
        return Answer((await payments.receive(call)).data)


async def seed(hub: Hub, now: datetime) -> None:
    """Put the samples into an empty hub."""
    vault = Vault(hub.settings.secret_key or b"")

    def seal(session: Session) -> None:
        session.sealed_url = vault.seal("https://meet.example/smart-farming", session.id, URL)

    for sample in SAMPLES:
        session = await hub.ledger.create(_session(sample, now), sample.owner, seal)
        for number in range(sample.booked):
            student = Actor(f"sample-{number}", STUDENTS[number], Role.STUDENT, now + TOKEN_TTL)
            book = partial(booking.book, actor=student, booking_id=secrets.token_hex(16), hold=timedelta(days=1))
            await hub.ledger.act(session.id, book, about=[student.id])
        owner = Actor(sample.owner.id, sample.owner.name, Role.EXPERT, now + TOKEN_TTL)
        for step in sample.then:
            rule = {"start": sessions.start, "end": sessions.end, "cancel": sessions.cancel}[step]
            await hub.ledger.act(session.id, partial(rule, actor=owner), about=None)


def _session(sample: Sample, now: datetime) -> Session:
    return Session(
        id=0,
        title=sample.title,
        description=sample.description,
        instructor=sample.owner.name,
        expert_id=sample.owner.id,
        course_id=sample.course,
        starts_at=(now + timedelta(minutes=sample.starts)).replace(second=0, microsecond=0),
        duration_minutes=sample.minutes,
        timezone=sample.timezone,
        max_participants=sample.seats,
        price=sample.price,
        roster_visibility=RosterVisibility.PARTICIPANTS,
        status=Status.SCHEDULED,
        created_at=now,
    )
