"""A second process for hubs of the same installation: real, and paid for once.

`Second` is the test's side. The process's own side, `python -m tests.second`, takes settings on its standard input, one
pickle after the other, and answers with the port where a hub of those settings listens, or, for None, when it stopped.
"""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

from hub.app import build
from hub.settings import Settings
from tests.listening import stopped, until_started


class Second:
    """The process; one hub at a time for each number."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.second"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Its process id, for signals."""
        return self._process.pid

    async def start(self, settings: Settings, **serving_as: Any) -> int:
        """Let a hub listen there (`hub.server.server`); its port, which is also its name for `stop`."""
        port: int = await asyncio.to_thread(self._ask, ("start", (settings, serving_as)))
        return port

    async def stop(self, port: int) -> None:
        """Stop that hub as SIGTERM would."""
        await asyncio.to_thread(self._ask, ("stop", port))

    def _ask(self, command: tuple[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(command, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)


async def main() -> None:
    """Do as told until the input ends."""
    hubs: dict[int, Any] = {}
    while True:
        try:
            what, argument = await asyncio.to_thread(pickle.load, sys.stdin.buffer)
        except EOFError:
            break
        answer = None
        if what == "start":
            settings, serving_as = argument
            serving, task, listening = await until_started(build(settings), **serving_as)
            answer = listening.getsockname()[1]
            hubs[answer] = (serving, task, listening)
        else:
            await stopped(*hubs.pop(argument))
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.flush()
    for hub in hubs.values():
        await stopped(*hub)


if __name__ == "__main__":
    asyncio.run(main())
