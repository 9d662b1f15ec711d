"""`hub serve --workers N`: a supervisor that holds the sockets, and keeps a worker on each.

What a worker is given and owes: listening sockets, inherited; a line on standard output once it serves; SIGTERM, and
the end of standard input (the supervisor is gone), mean stop; SIGHUP means that another has taken its place: accept
nothing more, and stop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("hub.workers")

Command = Callable[[Sequence[int]], Sequence[str]]
"""The command of a worker, from the descriptors of its sockets."""

START_SECONDS = 60.0
"""How long a worker may take until it serves."""
START_TRIES = 3
"""Failed starts in a row, of any worker, after which there is no point in another."""
STEADY_SECONDS = 60.0
"""A worker that lived for less is started again after a pause, a second longer each time."""
LONGEST_PAUSE = 30.0
MARGIN_SECONDS = 2.0
"""How much longer than its own limit a worker that was told to stop may take before it is killed."""
CLEAN = (0, -signal.SIGTERM, -signal.SIGINT, 130)
"""How a worker ends when it was told to; uvicorn raises the signal again once all is done."""


class Worker:
    """A process that was started. `settled` once it serves or has ended, `ended` once it has."""

    def __init__(self, command: Sequence[str], descriptors: Sequence[int]) -> None:
        # A process group of its own, or Ctrl+C would reach it twice: a second time for impatience.
        self.process = subprocess.Popen(  # nosec B603  # this very program again, and no shell
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=descriptors, process_group=0
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._pipes = (self.process.stdin, self.process.stdout)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.process.stdout, self._hear)
        self.serves = False
        self.settled = asyncio.Event()
        self.ended = asyncio.Event()

    def tell(self, what: signal.Signals) -> None:
        """Send a signal, if there still is a process to get it."""
        self.process.send_signal(what)

    def look(self) -> bool:
        """Whether it has ended."""
        if self.process.poll() is not None and not self.ended.is_set():
            self._loop.remove_reader(self._pipes[1])
            for pipe in self._pipes:
                pipe.close()
            self.serves = False
            self.settled.set()
            self.ended.set()
        return self.ended.is_set()

    def _hear(self) -> None:
        if os.read(self._pipes[1].fileno(), 4096):
            self.serves = True
            self.settled.set()
        else:
            self._loop.remove_reader(self._pipes[1])


@dataclass(slots=True)
class Place:
    """Sockets, and who serves on them now."""

    sockets: Sequence[socket.socket]
    worker: Worker | None = None


class Supervisor:
    """Starts workers, starts another for each that dies, replaces them one by one on SIGHUP, ends them all."""

    def __init__(
        self,
        command: Command,
        places: Sequence[Sequence[socket.socket]],
        stop_seconds: float,
        ready: Callable[[], None],
    ) -> None:
        """`ready` is called once, when all serve. `stop_seconds` is the limit that workers set themselves."""
        self._command = command
        self._places = [Place(sockets) for sockets in places]
        self._patience = stop_seconds + MARGIN_SECONDS
        self._ready: Callable[[], None] | None = ready
        self._living: set[Worker] = set()
        self._failed_starts = 0
        self._turn = asyncio.Event()
        self._told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self) -> int:
        """Until told to stop by SIGTERM or SIGINT, or there is no point in going on: the exit code."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop, 0)
        loop.add_signal_handler(signal.SIGINT, self._stop, 130)
        loop.add_signal_handler(signal.SIGHUP, self._turn.set)
        loop.add_signal_handler(signal.SIGCHLD, self._look)
        tasks = [asyncio.create_task(self._keep(place)) for place in self._places]
        tasks.append(asyncio.create_task(self._replace_when_told()))
        ends: list[asyncio.Future[Any]] = [self._told, *tasks]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for broken in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(broken, Exception):
                log.critical("the supervisor broke", exc_info=broken)
        clean = await self._end()
        return self._told.result() if clean and self._told.done() else 1

    def _stop(self, code: int) -> None:
        if not self._told.done():
            self._told.set_result(code)
            return
        for worker in self._living:  # told twice: whoever does that is in a hurry
            worker.tell(signal.SIGINT)

    def _look(self) -> None:
        self._living = {worker for worker in self._living if not worker.look()}

    async def _keep(self, place: Place) -> None:
        """Have a worker in this place, for ever."""
        loop, soon = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            worker = place.worker
            if worker is None or worker.ended.is_set():
                worker = place.worker = self._start(place)
                self._count(await self._serves(worker))
            await worker.ended.wait()
            if place.worker is worker:
                log.error("worker %d ended (%d): starting another", worker.process.pid, worker.process.returncode)
                soon = soon + 1 if loop.time() - began < STEADY_SECONDS else 0
                await asyncio.sleep(min(LONGEST_PAUSE, soon - 1))

    def _start(self, place: Place) -> Worker:
        descriptors = [one.fileno() for one in place.sockets]
        worker = Worker(self._command(descriptors), descriptors)
        self._living.add(worker)
        return worker

    async def _serves(self, worker: Worker) -> bool:
        try:
            async with asyncio.timeout(START_SECONDS):
                await worker.settled.wait()
        except TimeoutError:
            log.error("worker %d does not serve after %g seconds", worker.process.pid, START_SECONDS)
            worker.tell(signal.SIGKILL)
            await worker.ended.wait()
        return worker.serves

    def _count(self, serves: bool) -> None:
        self._failed_starts = 0 if serves else self._failed_starts + 1
        if self._failed_starts >= START_TRIES and not self._told.done():
            log.critical("workers fail at start, %d times now: giving up", self._failed_starts)
            self._told.set_result(1)
        if self._ready is not None and all(place.worker and place.worker.serves for place in self._places):
            self._ready()
            self._ready = None

    async def _replace_when_told(self) -> None:
        while True:
            await self._turn.wait()
            self._turn.clear()
            log.info("replacing the workers, one by one")
            for place in self._places:
                if not await self._replace(place):
                    log.error("a new worker does not serve: those that there are stay")
                    break
            else:
                log.info("every worker was replaced")

    async def _replace(self, place: Place) -> bool:
        old = place.worker
        going = new = self._start(place)
        if not await self._serves(new):
            return False
        if place.worker is old and old is not None:  # else the old one died meanwhile, and has another successor
            place.worker, going = new, old
        going.tell(signal.SIGHUP)
        await self._gone([going])
        return True

    async def _end(self) -> bool:
        """Stop everyone; whether all ended by themselves, and well."""
        for place in self._places:
            for one in place.sockets:
                one.close()  # the workers have theirs, and nobody is to wait in a queue that no one serves
        going = list(self._living)
        for worker in going:
            worker.tell(signal.SIGTERM)
        await self._gone(going)
        return all(worker.process.returncode in CLEAN for worker in going)

    async def _gone(self, going: Sequence[Worker]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                for worker in going:
                    await worker.ended.wait()
        for worker in going:
            if not worker.ended.is_set():
                log.error("worker %d does not stop: killed", worker.process.pid)
                worker.tell(signal.SIGKILL)
                await worker.ended.wait()


def supervise(
    command: Command, places: Sequence[Sequence[socket.socket]], stop_seconds: float, ready: Callable[[], None]
) -> int:
    """Run a Supervisor in this process: the exit code."""

    async def run() -> int:
        return await Supervisor(command, places, stop_seconds, ready).run()

    return asyncio.run(run())


def tell_serving() -> None:
    """A worker's word that it serves."""
    with suppress(OSError):  # without a supervisor there is nobody to tell
        os.write(1, b"serving\n")


def end_with_supervisor() -> None:
    """Have this worker told to stop when its supervisor is gone, however it went."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="hub-supervisor", daemon=True).start()
