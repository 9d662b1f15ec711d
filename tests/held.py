"""`hub serve`, whose event loop stops turning once it listens: `python -m tests.held no|freeze|mute`.

`freeze` sleeps in the loop; `mute` writes to a standard error that nobody reads, so that no log line passes either.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable

from hub import logs
from hub.app import build
from hub.listening import bind
from hub.server import serve
from hub.settings import from_environment


def freeze() -> None:
    """Never give the loop back."""
    while True:
        time.sleep(300)


def mute() -> None:
    """The same, for a reader that does not come."""
    while True:
        sys.stderr.write("x" * 1_000_000)


HOLDS: dict[str, Callable[[], None]] = {"no": lambda: None, "freeze": freeze, "mute": mute}


def main(hold: str) -> None:
    """Serve, as the environment says."""
    logs.set_up("text")
    hub = build(from_environment(os.environ))
    (bound,) = bind(hub.settings.host, hub.settings.port, 1)

    def listening(url: str) -> None:
        asyncio.get_running_loop().call_soon(HOLDS[hold])

    hub.listening = listening
    serve(hub, bound)


if __name__ == "__main__":
    main(sys.argv[1])
