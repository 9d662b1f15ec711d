"""`hub`, with a log that says more than it should: `python -m tests.security.talking leak|debug serve`.

`leak` writes down what it was sent; `debug` is asyncio's own debugging, which writes down every step that it makes.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hub import cli, strictjson
from hub.app import Hub, build
from hub.commands import single
from hub.settings import Settings

PARSE = strictjson.parse


def parse(text: str | bytes) -> Any:
    """As many a server does while it is being mended."""
    logging.getLogger("hub.web").info("got %r", text)
    return PARSE(text)


@asynccontextmanager
async def debugging() -> AsyncIterator[None]:
    """The whole life of a hub under the loop's debugging, where every step counts as slow."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    yield


def built(settings: Settings, **more: Any) -> Hub:
    """A hub that debugs."""
    hub = build(settings, **more)
    hub.companions.append(debugging)
    return hub


if __name__ == "__main__":
    if sys.argv.pop(1) == "leak":
        strictjson.parse = parse
    else:
        single.build = built  # type: ignore[attr-defined]  # a name that it only imports, and calls
    cli.main()
