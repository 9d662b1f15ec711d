"""The end of patience: a process that was told to stop exits after a while, whatever still holds it."""

from __future__ import annotations

import logging
import os
import threading
import time
from queue import SimpleQueue

log = logging.getLogger("hub")

LAST_WORD_SECONDS = 1.0


class HardStop:
    """`begin` starts the countdown; `seconds` later the process exits with 1. There is no taking it back.

    For a main program only. A thread waits from the start on, so that neither a frozen event loop nor a lock that the
    main thread holds when the signal comes is in its way. Python hears a signal between two of its own instructions: a
    main thread that never comes back from C is for the supervisor to kill.
    """

    def __init__(self, seconds: float) -> None:
        self._begun: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=self._wait, args=(seconds,), name="hub-stop", daemon=True).start()

    def begin(self) -> None:
        """Count from now, if nobody does yet. May be called in a signal handler: `SimpleQueue.put` is reentrant."""
        self._begun.put(None)

    def _wait(self, seconds: float) -> None:
        self._begun.get()
        time.sleep(seconds)
        # A standard error that takes nothing may be the very thing that holds the process.
        words = ("not stopped %g seconds after it was told to: exiting anyway", seconds)
        telling = threading.Thread(target=log.critical, args=words, daemon=True)
        telling.start()
        telling.join(LAST_WORD_SECONDS)
        os._exit(1)
