"""A supervisor of plain workers, as a process: `python -m tests.supervised COUNT STOP_SECONDS FLAG [deaf]`.

It prints `ready PORT`. A worker answers every connection with its process id; while the file FLAG exists none starts;
`deaf` ones do not stop when told.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from hub import logs
from hub.listening import bind
from hub.workers import end_with_supervisor, supervise, tell_serving


def main(count: int, stop_seconds: float, flag: str, manners: str) -> int:
    """Supervise until told to stop."""
    logs.set_up("text")
    places = bind("127.0.0.1", 0, count)
    port = places[0][0].getsockname()[1]

    def command(descriptors: Sequence[int]) -> list[str]:
        return [sys.executable, "-m", "tests.supervised", "worker", str(descriptors[0]), flag, manners]

    def ready() -> None:
        sys.stderr.write(f"ready {port}\n")

    return supervise(command, places, stop_seconds, ready)


async def worker(descriptor: int, manners: str) -> None:
    """Serve until told to stop."""
    stop = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{os.getpid()}\n".encode())
        await writer.drain()
        writer.close()

    serving = await asyncio.start_server(answer, sock=socket.socket(fileno=descriptor))

    def retire() -> None:
        serving.close()
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set if manners != "deaf" else lambda: None)
    loop.add_signal_handler(signal.SIGHUP, retire)
    end_with_supervisor()
    tell_serving()
    await stop.wait()
    while answering := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(answering)


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        if Path(sys.argv[3]).exists():
            sys.exit("this worker can't start")
        asyncio.run(worker(int(sys.argv[2]), sys.argv[4]))
    else:
        sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4]))
