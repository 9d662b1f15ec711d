"""Where a hub that starts listens, and what it says of that."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

import click

from hub import standing
from hub.commands.saying import fail
from hub.listening import CannotListen, bind
from hub.settings import Settings

log = logging.getLogger("hub")


def public(settings: Settings) -> list[list[socket.socket]]:
    """The sockets where each process serves."""
    try:
        return bind(settings.host, settings.port, settings.workers)
    except CannotListen as reason:
        fail(str(reason))


def own(settings: Settings) -> list[list[socket.socket]]:
    """The sockets where each process shows its figures."""
    if settings.metrics_port is None:
        return [[] for _ in range(settings.workers)]
    try:
        ports = range(settings.metrics_port, settings.metrics_port + settings.workers)
        return [bind(settings.metrics_host, port, 1)[0] for port in ports]
    except CannotListen as reason:
        fail(f"HUB_METRICS_PORT: {reason}")


def teller(settings: Settings) -> Callable[[str], None]:
    """What says, once that is known, where it listens and on what it stands."""
    said = asyncio.run(standing.facts(settings))

    def tell(url: str) -> None:
        if settings.log_format == "json":
            log.info("listening", extra={"url": url, **said})
        else:
            click.echo(standing.block(url, said), err=True)

    return tell
