"""The command line: demo, serve, migrate, reseal, token, watch, check."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NoReturn

import click

from hub import checks, demo, logs, resealing, watching
from hub.app import build
from hub.clock import utc_now
from hub.domain.people import Role
from hub.errors import HubError
from hub.keys import SharedSecret, Unfit
from hub.listening import CannotListen, bind
from hub.sealing import Vault
from hub.server import serve as listen
from hub.server import work
from hub.settings import Settings, WrongSetting, from_environment, must_serve, remark
from hub.store import schema
from hub.store.database import Unusable
from hub.store.opening import database_at
from hub.tokens import Tokens, sign
from hub.values import shown
from hub.workers import supervise


def _fail(message: str) -> NoReturn:
    click.echo(f"hub: {message}", err=True)
    sys.exit(2)


def _settings(**options: object) -> Settings:
    try:
        return from_environment(os.environ, **options)
    except WrongSetting as wrong:
        _fail(str(wrong))


def _migrate(settings: Settings) -> str:
    """Bring the tables up to date: the revision reached; what is wrong with the database is told in a sentence."""
    try:
        return asyncio.run(database_at(settings.database_url).migrate())
    except Unusable as reason:
        _fail(str(reason))


host_option = click.option("--host", help="Address to listen on (HUB_HOST, 127.0.0.1).")
port_option = click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (HUB_PORT, 8000).")


class Interruptible(click.Group):
    """Ctrl+C is how people end these commands: nothing to complain of."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; 130 is what shells know an interrupt by."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(130)


@click.group(cls=Interruptible, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="live-session-hub")
def main() -> None:
    """Live sessions: scheduled, booked and seen live. Settings are HUB_* variables; see the README."""
    if os.getpid() == 1:
        # The first process of a container, to which no signal comes that it does not ask for. A hub that serves does.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


@main.command()
@host_option
@port_option
@click.option("--workers", type=click.IntRange(1, 256), help="Processes (HUB_WORKERS, 1); more need PostgreSQL, Redis.")
@click.option("--fd", "descriptors", type=int, multiple=True, hidden=True)
def serve(host: str | None, port: int | None, workers: int | None, descriptors: tuple[int, ...]) -> None:
    """Run the service."""
    settings = _settings(host=host, port=port, workers=workers)
    try:
        must_serve(settings)
    except WrongSetting as wrong:
        _fail(str(wrong))
    if settings.database_url.startswith("sqlite:"):
        _migrate(settings)
    logs.set_up(settings.log_format)
    if settings.workers > 1 and not descriptors:
        sys.exit(_supervise(settings))
    hub = build(settings)
    try:
        hub.database.claim()
    except Unusable as reason:
        _fail(str(reason))
    if descriptors:
        work(hub, descriptors)
        return
    if said := remark(settings):
        click.echo(f"hub: {said}", err=True)
    hub.listening = lambda url: click.echo(
        f"hub: listening on {url}, database {shown(settings.database_url)}", err=True
    )
    listen(hub)


def _supervise(settings: Settings) -> int:
    try:
        places = bind(settings.host, settings.port, settings.workers)
    except CannotListen as reason:
        _fail(str(reason))
    host, port = settings.host, places[0][0].getsockname()[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    where = f"listening on {url}, {settings.workers} workers, database {shown(settings.database_url)}"

    def command(descriptors: Sequence[int]) -> list[str]:
        # -P: as with the `hub` command itself, the present directory is no place to import from.
        return [sys.executable, "-P", "-m", "hub", "serve", *(f"--fd={descriptor}" for descriptor in descriptors)]

    return supervise(command, places, settings.stop_seconds, lambda: click.echo(f"hub: {where}", err=True))


@main.command(name="demo")
@host_option
@port_option
@click.option("--crowd", type=click.IntRange(0, 2000), default=0, help="Simulated people who come and go.")
def run_demo(host: str | None, port: int | None, crowd: int) -> None:
    """Everything on one machine, with sample sessions and a page to click."""
    try:
        demo.run(_settings(host=host, port=port), crowd, keep="HUB_DATABASE_URL" in os.environ)
    except (Unusable, WrongSetting) as reason:
        _fail(str(reason))


@main.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    settings = _settings()
    reached = _migrate(settings)
    left = "" if schema.knows(reached) else f"at {reached}, which is newer than this version: left as it is"
    click.echo(f"hub: {shown(settings.database_url)} is {left or 'up to date'}")


@main.command()
def reseal() -> None:
    """Seal all meetings anew with HUB_SECRET_KEY. Exit code 1 when some did not open, or not all were reached."""
    settings = _settings()
    if settings.secret_key is None:
        _fail("HUB_SECRET_KEY: set it to the key that seals from now on; HUB_SECRET_KEYS_ACCEPTED takes the one before")
    vault = Vault(settings.secret_key, settings.secret_keys_accepted)
    try:
        done = asyncio.run(resealing.run(database_at(settings.database_url), vault))
    except Unusable as reason:
        _fail(str(reason))
    for said in done.told():
        click.echo(f"hub: {said}")
    sys.exit(0 if done.complete else 1)


@main.command()
@click.option("--sub", required=True, help="Who it is for: the person's id.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--name", required=True, help="The name that others see.")
@click.option("--ttl", default="1h", help="How long it lasts: a number and s, m, h or d (1h).")
def token(sub: str, role: str, name: str, ttl: str) -> None:
    """Print a token signed with HUB_JWT_SECRET."""
    settings = _settings()
    if settings.jwt_secret is None:
        _fail("HUB_JWT_SECRET: set it to the secret of the service, 32 bytes or more")
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if not ttl[:-1].isdecimal() or ttl[-1:] not in units or len(ttl) > 8:
        _fail(f"--ttl takes a number and s, m, h or d, like 90s or 2h, not {ttl!r}")
    if not int(ttl[:-1]):
        _fail(f"--ttl {ttl} would have ended before it is used")
    try:
        lasts = timedelta(seconds=int(ttl[:-1]) * units[ttl[-1]])
        expected = {"aud": settings.jwt_audience, "iss": settings.jwt_issuer}
        signed = sign(settings.jwt_secret, sub, name, Role(role), ttl=lasts, now=utc_now(), **expected)
    except OverflowError:
        _fail(f"--ttl {ttl} ends later than any calendar does")
    try:
        asyncio.run(_reader(settings.jwt_secret, settings).verified(signed))
    except (HubError, Unfit) as refusal:
        _fail(f"the hub would refuse this token: {refusal}")
    click.echo(signed)


def _reader(secret: str, settings: Settings) -> Tokens:
    return Tokens(SharedSecret(secret), audience=settings.jwt_audience, issuer=settings.jwt_issuer, clock=utc_now)


@main.command()
@click.argument("session_id", metavar="ID", type=click.IntRange(1, 2**31 - 1))
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the hub is.")
@click.option("--count", type=click.IntRange(1), help="Stop after so many states.")
def watch(session_id: int, url: str, count: int | None) -> None:
    """Show a session's live state in the terminal, until it is over."""
    try:
        asyncio.run(watching.watch(session_id, url, count, click.echo))
    except watching.Unwatchable as reason:
        _fail(str(reason))
    except KeyboardInterrupt:
        pass


@main.command()
def check() -> None:
    """Check settings, database and bus: what is wrong, and how to mend it. Exit code 1 when something is."""
    findings = asyncio.run(checks.run(os.environ))
    for finding in findings:
        click.echo(f"{finding.light:6} {finding.about}: {finding.said}")
    sys.exit(1 if any(finding.light == "red" for finding in findings) else 0)
