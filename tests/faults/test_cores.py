"""What is measured without the wait for a core is what was done, or waited for, and not what others did meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults.cores import Watch

WORK_SECONDS = 0.2
BUSY = ("-c", "while True: pass")


@contextmanager
def busy(core: int, count: int) -> Iterator[None]:
    """So many programs that want this core all the time."""
    programs = [subprocess.Popen([sys.executable, *BUSY]) for _ in range(count)]
    try:
        for program in programs:
            os.sched_setaffinity(program.pid, {core})
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def work() -> None:
    """Take a core for that long."""
    until = time.thread_time() + WORK_SECONDS
    while time.thread_time() < until:
        pass


def measured(core: int, what: Callable[[], None]) -> tuple[float, float]:
    """How long that took in a thread on this core, and how long it stood in line for it."""
    watches: list[tuple[float, float]] = []

    def run() -> None:
        os.sched_setaffinity(0, {core})
        watch = Watch()
        what()
        watches.append((watch.seconds, watch.in_line))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return watches[0]


def test_what_others_do_on_the_core_is_not_counted_and_work_is() -> None:
    core = min(os.sched_getaffinity(0))
    with busy(core, 3):
        seconds, in_line = measured(core, work)
    assert WORK_SECONDS <= seconds + 0.01
    assert seconds < 2 * WORK_SECONDS
    assert in_line > WORK_SECONDS  # the control: with three others a plain clock would have said twice as much


def test_a_wait_that_needs_no_core_is_counted() -> None:
    seconds, _ = measured(min(os.sched_getaffinity(0)), lambda: time.sleep(WORK_SECONDS))
    assert WORK_SECONDS - 0.01 < seconds
