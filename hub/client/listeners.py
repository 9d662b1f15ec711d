"""Who is to be called with which events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, get_args

from hub.client.told import Event

log = logging.getLogger("hub.client")

E = TypeVar("E", bound=Event)
KINDS: tuple[type[Any], ...] = get_args(Event)


class Listeners:
    """By the kind of an event. One may fail, come or go while they are told."""

    def __init__(self) -> None:
        self._of: dict[type[Any], dict[object, Callable[[Any], None]]] = {}

    def add(self, kind: type[E], listener: Callable[[E], None]) -> Callable[[], None]:
        """One more, also if it is there already; what takes that one away, however often it is called."""
        if kind not in KINDS:
            raise TypeError(
                f"There are events of {', '.join(one.__name__ for one in KINDS)}, one at a time, not {kind!r}."
            )
        key = object()
        listeners = self._of.setdefault(kind, {})
        listeners[key] = listener
        return partial(_take_away, listeners, key)

    def tell(self, event: Event) -> None:
        """Call all who are there for it."""
        listeners = self._of.get(type(event), {})
        for key in tuple(listeners):
            listener = listeners.get(key)
            if listener is None:
                continue  # it went meanwhile
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed")


def _take_away(listeners: dict[object, Callable[[Any], None]], key: object) -> None:
    listeners.pop(key, None)
