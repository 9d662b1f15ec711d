"""The addresses to listen on: are they this machine's, and is there room."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping

from hub.checks.finding import SETTINGS, Finding, red, yellow
from hub.listening import CannotListen, bind
from hub.settings import Settings

TAKEN = "it is well if that is this hub, running; else end the other, or take another port"


def look(settings: Settings, wrong: Mapping[str, str]) -> Iterator[Finding]:
    """What is to be said of those that can't be had; it may block as long as names take to be found."""
    if not wrong.keys() & {"HUB_PORT", "PORT"}:
        yield from _at("HUB_PORT", "HUB_HOST", settings.host, settings.port)
    if settings.metrics_port is not None and not wrong.keys() & {"HUB_METRICS_PORT", "HUB_WORKERS"}:
        for number in range(settings.workers):
            yield from _at(
                "HUB_METRICS_PORT", "HUB_METRICS_HOST", settings.metrics_host, settings.metrics_port + number
            )


def _at(variable: str, host_variable: str, host: str, port: int) -> Iterator[Finding]:
    try:
        (sockets,) = bind(host, port, 1)
    except CannotListen as reason:
        said = f"{variable}: {reason}"
        if reason.number == errno.EADDRINUSE:
            yield yellow(SETTINGS, said, TAKEN)
        elif reason.number == errno.EACCES:
            yield red(SETTINGS, said, "take a port from 1024 on, or allow this user the lower ones")
        else:
            yield red(SETTINGS, said, f"correct {host_variable}")
        return
    for one in sockets:
        one.close()
