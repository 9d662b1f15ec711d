"""`hub serve`: in this process, or in workers under a supervisor."""

from __future__ import annotations

from collections.abc import Sequence

from hub.commands.saying import fail, settings_of
from hub.settings import WrongSetting, must_serve


def run(
    host: str | None, port: int | None, workers: int | None, descriptors: Sequence[int], own: Sequence[int]
) -> None:
    """Serve until told to stop; with `descriptors` as a worker, on sockets that the supervisor bound."""
    settings = settings_of(host=host, port=port, workers=workers)
    try:
        must_serve(settings)
    except WrongSetting as wrong:
        fail(str(wrong))
    if settings.workers > 1 and not descriptors:
        from hub.commands import several

        several.run(settings)
    else:
        from hub.commands import single

        single.run(settings, descriptors, own)
