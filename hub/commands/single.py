"""`hub serve` in this process: alone, or as one of the workers."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack

from hub import logs
from hub.app import build
from hub.commands import places
from hub.commands.migrate import migrated
from hub.commands.saying import fail
from hub.server import serve, work
from hub.settings import Settings
from hub.store.database import Unusable


def run(settings: Settings, descriptors: Sequence[int], own: Sequence[int]) -> None:
    """Serve until told to stop; a file is brought up to date before."""
    if settings.database_url.startswith("sqlite:"):
        migrated(settings)
    logs.set_up(settings.log_format)
    with ExitStack() as held:
        figures, bound = ([], []) if descriptors else _alone(settings, held)
        hub = build(settings)
        try:
            hub.database.claim()
        except Unusable as reason:
            fail(str(reason))
        if descriptors:
            work(hub, descriptors, own)
            return
        hub.listening = places.teller(settings)
        serve(hub, bound, figures)


def _alone(settings: Settings, held: ExitStack) -> tuple[list[socket.socket], list[socket.socket]]:
    """The sockets of one process, for its figures and for the public, bound before it is ready for anyone."""
    figures, bound = ([held.enter_context(one) for one in of(settings)[0]] for of in (places.own, places.public))
    return figures, bound
