import asyncio
import os

from hub.client import RosterChanged, connect


async def main() -> None:
    async with connect("http://127.0.0.1:8000", token=lambda: os.environ["TOKEN"]) as hub:
        hub.on(RosterChanged, lambda change: print("here:", ", ".join(change.people or ())))
        await hub.join(1)
        async for state in hub.watch(1):
            print(f"{state.status}: {state.live} live, {state.participants} seats taken")


asyncio.run(main())
