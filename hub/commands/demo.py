"""`hub demo`."""

from __future__ import annotations

import os

from hub import demo
from hub.commands.saying import fail, settings_of
from hub.listening import CannotListen
from hub.settings import WrongSetting
from hub.store.database import Unusable


def run(host: str | None, port: int | None, crowd: int) -> None:
    """Serve the demo until told to stop."""
    try:
        demo.run(settings_of(host=host, port=port), crowd, keep="HUB_DATABASE_URL" in os.environ)
    except (Unusable, WrongSetting, CannotListen) as reason:
        fail(str(reason))
