"""`hub serve` in workers: this process binds the sockets, starts them and looks after them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from hub import logs
from hub.commands import places
from hub.settings import Settings
from hub.workers import supervise


def run(settings: Settings) -> NoReturn:
    """Have workers serve until told to stop."""
    logs.set_up(settings.log_format)
    bound = places.public(settings)
    shared, own = len(bound[0]), places.own(settings)
    host, port = settings.host, bound[0][0].getsockname()[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    tell = places.teller(settings)

    def command(descriptors: Sequence[int]) -> list[str]:
        # -P: as with the `hub` command itself, the present directory is no place to import from.
        given = [f"--{'fd' if at < shared else 'own-fd'}={one}" for at, one in enumerate(descriptors)]
        # What was chosen by options; of the variables alone it would make other settings, and maybe wrong ones.
        chosen = [f"--host={host}", f"--port={settings.port}", f"--workers={settings.workers}"]
        return [sys.executable, "-P", "-m", "hub", "serve", *chosen, *given]

    each = [[*ours, *figures] for ours, figures in zip(bound, own, strict=True)]
    sys.exit(supervise(command, each, settings.stop_seconds, lambda: tell(url)))
