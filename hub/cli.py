"""The command line: demo, serve, migrate, reseal, prune, forget, backup, token, watch, check."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, Protocol

import click

from hub import checks, demo, keeping, logs, resealing, standing, watching
from hub.app import build
from hub.clock import utc_now
from hub.domain.people import Role
from hub.errors import HubError
from hub.keys import SharedSecret, Unfit
from hub.listening import CannotListen, bind
from hub.sealing import Vault
from hub.server import serve as listen
from hub.server import work
from hub.settings import Settings, WrongSetting, from_environment, must_serve
from hub.store import schema
from hub.store.backup import NotCopied, back_up
from hub.store.database import Unusable
from hub.store.opening import database_at
from hub.tokens import Tokens, sign
from hub.values import shown
from hub.workers import supervise

log = logging.getLogger("hub")


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
@click.option("--own-fd", "own", type=int, multiple=True, hidden=True)
def serve(
    host: str | None, port: int | None, workers: int | None, descriptors: tuple[int, ...], own: tuple[int, ...]
) -> None:
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
    with ExitStack() as held:
        figures, bound = ([], []) if descriptors else _alone(settings, held)
        hub = build(settings)
        try:
            hub.database.claim()
        except Unusable as reason:
            _fail(str(reason))
        if descriptors:
            work(hub, descriptors, own)
            return
        hub.listening = _teller(settings)
        listen(hub, bound, figures)


def _alone(settings: Settings, held: ExitStack) -> tuple[list[socket.socket], list[socket.socket]]:
    """The sockets of one process, for its figures and for the public, bound before it is ready for anyone."""
    figures, bound = ([held.enter_context(one) for one in places(settings)[0]] for places in (_own, _public))
    return figures, bound


def _public(settings: Settings) -> list[list[socket.socket]]:
    """The sockets where each process serves."""
    try:
        return bind(settings.host, settings.port, settings.workers)
    except CannotListen as reason:
        _fail(str(reason))


def _own(settings: Settings) -> list[list[socket.socket]]:
    """The sockets where each process shows its figures."""
    if settings.metrics_port is None:
        return [[] for _ in range(settings.workers)]
    try:
        ports = range(settings.metrics_port, settings.metrics_port + settings.workers)
        return [bind(settings.metrics_host, port, 1)[0] for port in ports]
    except CannotListen as reason:
        _fail(f"HUB_METRICS_PORT: {reason}")


def _teller(settings: Settings) -> Callable[[str], None]:
    """What says, once that is known, where it listens and on what it stands."""
    said = asyncio.run(standing.facts(settings))

    def tell(url: str) -> None:
        if settings.log_format == "json":
            log.info("listening", extra={"url": url, **said})
        else:
            click.echo(standing.block(url, said), err=True)

    return tell


def _supervise(settings: Settings) -> int:
    places = _public(settings)
    shared, own = len(places[0]), _own(settings)
    host, port = settings.host, places[0][0].getsockname()[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    tell = _teller(settings)

    def command(descriptors: Sequence[int]) -> list[str]:
        # -P: as with the `hub` command itself, the present directory is no place to import from.
        given = [f"--{'fd' if at < shared else 'own-fd'}={one}" for at, one in enumerate(descriptors)]
        # What was chosen by options; of the variables alone it would make other settings, and maybe wrong ones.
        chosen = [f"--host={host}", f"--port={settings.port}", f"--workers={settings.workers}"]
        return [sys.executable, "-P", "-m", "hub", "serve", *chosen, *given]

    places = [[*ours, *figures] for ours, figures in zip(places, own, strict=True)]
    return supervise(command, places, settings.stop_seconds, lambda: tell(url))


@main.command(name="demo")
@host_option
@port_option
@click.option("--crowd", type=click.IntRange(0, 2000), default=0, help="Simulated people who come and go.")
def run_demo(host: str | None, port: int | None, crowd: int) -> None:
    """Everything on one machine, with sample sessions and a page to click."""
    try:
        demo.run(_settings(host=host, port=port), crowd, keep="HUB_DATABASE_URL" in os.environ)
    except (Unusable, WrongSetting, CannotListen) as reason:
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
    _tell(done)


@main.command()
@click.option("--older-than", "age", required=True, help="How long ago the session ended: a number and s, m, h or d.")
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would be done.")
def prune(age: str, dry: bool) -> None:
    """Keep totals alone of who was in sessions that are long over. Exit code 1 when not all were reached."""
    settings, long_ago = _settings(), _lasting("--older-than", age)
    try:
        before = utc_now() - long_ago
    except OverflowError:
        _fail(f"--older-than {age} is before any calendar begins")
    try:
        _tell(asyncio.run(keeping.prune(database_at(settings.database_url), before, dry=dry)))
    except Unusable as reason:
        _fail(str(reason))


@main.command()
@click.argument("sub", metavar="SUB")
def forget(sub: str) -> None:
    """Replace one person everywhere by nobody, attendance kept. Exit code 1 when not all was reached."""
    settings = _settings()
    try:
        _tell(asyncio.run(keeping.forget(database_at(settings.database_url), sub)))
    except (Unusable, keeping.StillHosts) as reason:
        _fail(str(reason))


@main.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Copy the SQLite database to a new FILE, beside a running hub. Exit code 1 when that did not succeed."""
    settings = _settings()
    try:
        made = back_up(settings.database_url, file, utc_now)
    except Unusable as reason:
        _fail(str(reason))
    except NotCopied as reason:
        click.echo(f"hub: {reason}", err=True)
        sys.exit(1)
    taken = made.taken_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    click.echo(
        f"hub: {file} holds all that was acknowledged before {taken}: {made.size} bytes, tables at {made.revision}, "
        "checked. Keep HUB_SECRET_KEY elsewhere: without it no meeting opens"
    )


class _Told(Protocol):
    """How a command that changes much ended."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""

    def told(self) -> Iterable[str]:
        """Its sentences."""


def _tell(done: _Told) -> NoReturn:
    for said in done.told():
        click.echo(f"hub: {said}")
    sys.exit(0 if done.complete else 1)


def _lasting(option: str, text: str) -> timedelta:
    """A duration as the command line takes it."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if not text[:-1].isdecimal() or text[-1:] not in units or len(text) > 8:
        _fail(f"{option} takes a number and s, m, h or d, like 90s or 2h, not {text!r}")
    return timedelta(seconds=int(text[:-1]) * units[text[-1]])


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
    lasts = _lasting("--ttl", ttl)
    if not lasts:
        _fail(f"--ttl {ttl} would have ended before it is used")
    try:
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
@click.option("--json", "as_json", is_flag=True, help="Say it as one JSON object, for machines.")
def check(as_json: bool) -> None:
    """Check settings, database and bus: what is wrong, and how to mend it. Exit code 1 when something is red."""
    findings = asyncio.run(checks.run(os.environ))
    if as_json:
        click.echo(logs.as_json({"findings": [dataclasses.asdict(finding) for finding in findings]}))
    for finding in () if as_json else findings:
        click.echo(str(finding))
    sys.exit(1 if any(finding.light == checks.RED for finding in findings) else 0)
