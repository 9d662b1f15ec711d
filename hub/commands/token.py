"""`hub token`."""

from __future__ import annotations

import asyncio

import click

from hub.clock import utc_now
from hub.commands.saying import fail, lasting, settings_of
from hub.domain.people import Role
from hub.errors import HubError
from hub.keys import SharedSecret, Unfit
from hub.settings import Settings
from hub.tokens import Tokens, sign


def run(sub: str, role: str, name: str, ttl: str) -> None:
    """Print a token that the hub takes."""
    settings = settings_of()
    if settings.jwt_secret is None:
        fail("HUB_JWT_SECRET: set it to the secret of the service, 32 bytes or more")
    lasts = lasting("--ttl", ttl)
    if not lasts:
        fail(f"--ttl {ttl} would have ended before it is used")
    try:
        expected = {"aud": settings.jwt_audience, "iss": settings.jwt_issuer}
        signed = sign(settings.jwt_secret, sub, name, Role(role), ttl=lasts, now=utc_now(), **expected)
    except OverflowError:
        fail(f"--ttl {ttl} ends later than any calendar does")
    try:
        asyncio.run(_reader(settings.jwt_secret, settings).verified(signed))
    except (HubError, Unfit) as refusal:
        fail(f"the hub would refuse this token: {refusal}")
    click.echo(signed)


def _reader(secret: str, settings: Settings) -> Tokens:
    return Tokens(SharedSecret(secret), audience=settings.jwt_audience, issuer=settings.jwt_issuer, clock=utc_now)
