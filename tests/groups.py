"""Groups of Valkey servers for tests: a primary with its replica and sentinels, and a cluster of three."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import redis

from tests.processes import PATIENCE, Servers, folder, free_port, give, until
from tests.servers import HOST, RedisServer, ask, valkey

NAME = "main"
SLOTS = 16_384
# When all three call for an election at once each may get one vote, and the next is long after: the third only votes.
DOWN_AFTER_MS = (700, 700, 60_000)
NODE_TIMEOUT_MS = 2_000
SENTINEL = """
sentinel monitor {name} {host} {port} 2
sentinel down-after-milliseconds {name} {down_after}
sentinel failover-timeout {name} 2000
"""
# What a sentinel does each second or ten, faster. Its PING comes more than once in DOWN_AFTER_MS, or what is down
# flaps, and not more often: a replica whose last INFO is older than five of them can't take over, and that comes once
# a second while the primary is down, whatever we say.
SENTINEL_PACE = {"INFO-PERIOD": 100, "ASK-PERIOD": 100, "PUBLISH-PERIOD": 100, "PING-PERIOD": 300}
# A primary waits 5 s for more replicas before it sends itself to the first.
AT_ONCE = ("--repl-diskless-sync-delay", "0")


class SentinelServers(Servers):
    """A primary, a replica and three sentinels, which agree by two that the primary is down after half a second."""

    def __init__(self) -> None:
        super().__init__()
        self.primary = RedisServer(*AT_ONCE)
        self.replica = self.primary
        self.sentinels: list[int] = []

    @property
    def url(self) -> str:
        """Of what the sentinels name the primary."""
        return f"redis+sentinel://{','.join(f'{HOST}:{port}' for port in self.sentinels)}/{NAME}/0"

    def named(self) -> list[int]:
        """The port of the primary that each sentinel names."""
        return [int(self._ask(port, "GET-MASTER-ADDR-BY-NAME")[1]) for port in self.sentinels]

    async def failover(self) -> RedisServer:
        """Kill the primary, and wait until all sentinels name the replica, and it has taken over; `primary` is that.

        The killed one is `replica` then, and can `rejoin`.
        """
        self.primary.kill()
        self.primary, self.replica = self.replica, self.primary

        def over() -> bool:
            return set(self.named()) == {self.primary.port} and self.primary.ask("ROLE")[0] == "master"

        await _comes(over)
        return self.primary

    async def rejoin(self) -> None:
        """Restart the one that was killed, and wait until the sentinels made it a replica that has its copy."""
        self.replica.restart()
        await _comes(lambda: self.replica.ask("ROLE")[0] == "slave" and self.replica.ask("ROLE")[3] == "connected")

    def _open(self, stack: ExitStack) -> None:
        stack.enter_context(self.primary)
        self.replica = stack.enter_context(RedisServer(*AT_ONCE, "--replicaof", HOST, str(self.primary.port)))
        until(lambda: self.replica.ask("ROLE")[3] == "connected", "the replica's copy")
        for down_after in DOWN_AFTER_MS:
            self._sentinel(stack, stack.enter_context(folder("sentinel")), down_after)
        until(self._met, "the sentinels' knowledge of each other")

    def _sentinel(self, stack: ExitStack, home: Path, down_after: int) -> None:
        port, file = free_port(), home / "sentinel.conf"
        file.write_text(SENTINEL.format(name=NAME, host=HOST, port=self.primary.port, down_after=down_after))
        give(file)  # it writes into it
        valkey(stack, home, port, str(file), "--sentinel")
        self.sentinels.append(port)
        ask(f"redis://{HOST}:{port}", "SENTINEL", "DEBUG", *(word for pair in SENTINEL_PACE.items() for word in pair))

    def _ask(self, port: int, what: str) -> list[str]:
        answer: list[str] = ask(f"redis://{HOST}:{port}", f"SENTINEL {what}", NAME)
        return answer

    def _met(self) -> bool:
        others = len(self.sentinels) - 1
        return all(
            len(self._ask(port, "SENTINELS")) == others and len(self._ask(port, "REPLICAS")) == 1
            for port in self.sentinels
        )


class ClusterServers(Servers):
    """Three primaries in cluster mode, each with a third of the slots.

    While one is frozen the other two call the whole cluster down after 2 s, which is what Valkey does by default.
    """

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[RedisServer] = []

    @property
    def url(self) -> str:
        """Of all its nodes."""
        return f"redis+cluster://{','.join(f'{HOST}:{node.port}' for node in self.nodes)}"

    def freeze(self, index: int) -> None:
        """Halt one node."""
        self.nodes[index].freeze()

    def thaw(self, index: int) -> None:
        """Let it go on; `await_ok` waits until the others have noticed."""
        self.nodes[index].thaw()

    def await_ok(self) -> None:
        """Wait until every node says that the cluster is well and knows all of it."""

        def well() -> bool:
            told = [node.ask("CLUSTER INFO") for node in self.nodes]
            return all(said["cluster_state"] == "ok" and said["cluster_known_nodes"] == "3" for said in told)

        until(lambda: _answered(well), "the cluster's health")

    def _open(self, stack: ExitStack) -> None:
        buses = [free_port() for _ in range(3)]
        for bus in buses:
            timeout = str(NODE_TIMEOUT_MS)
            options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", timeout)
            self.nodes.append(stack.enter_context(RedisServer(*options)))
        bounds = [SLOTS * index // 3 for index in range(4)]
        for index, node in enumerate(self.nodes):
            node.ask("CLUSTER ADDSLOTSRANGE", bounds[index], bounds[index + 1] - 1)
            for other, bus in zip(self.nodes, buses, strict=True):
                if other is not node:
                    node.ask("CLUSTER MEET", HOST, other.port, bus)
        self.await_ok()


def _answered(true: Callable[[], bool]) -> bool:
    """Whether it is true; a server that does not answer, or ends the connection to change its role, is a no."""
    try:
        return true()
    except redis.RedisError:
        return False


async def _comes(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if _answered(true):
                return
            await asyncio.sleep(0.02)
