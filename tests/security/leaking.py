"""`hub`, with a line of its log that holds what it was sent: `python -m tests.security.leaking serve`."""

from __future__ import annotations

import logging
from typing import Any

from hub import strictjson
from hub.cli import main

PARSE = strictjson.parse


def parse(text: str | bytes) -> Any:
    """As many a server does while it is being mended."""
    logging.getLogger("hub.web").info("got %r", text)
    return PARSE(text)


if __name__ == "__main__":
    strictjson.parse = parse
    main()
