"""Redis: does it answer, does a message come round, and what would bite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hub.bus.redis.condition import LOGIN, RIGHTS, SILENT, Condition
from hub.checks.finding import BUS, Finding, green, red, yellow
from hub.settings import Settings, remark

EACH = 3
"""Connections of a process to a server: one listens, one sends, and one more looks who takes what."""
SLOW_SECONDS = 0.25
SMALL_BUFFER = 2**20
"""Bytes that Redis may keep for a listener before it cuts it off; its own default is 32 MiB."""

MENDS = {
    LOGIN: "correct the user and the password of HUB_REDIS_URL",
    RIGHTS: "give the user its channels: `ACL SETUSER … resetchannels &hub:1:* +@pubsub +@connection`",
    SILENT: "look at it, and at what stands between: a firewall, a proxy",
}
ELSE = "start it, or correct the host and the port in HUB_REDIS_URL"


def findings(settings: Settings, servers: Sequence[Condition]) -> Iterator[Finding]:
    """What is to be said of the servers, or of their absence."""
    if settings.redis_url is None:
        said = "in memory: one process"
        told = remark(settings)
        yield (
            yellow(BUS, f"{said}; {told}", "set HUB_REDIS_URL before a second one starts") if told else green(BUS, said)
        )
    for server in servers:
        yield from _of(settings, server)


def _of(settings: Settings, server: Condition) -> Iterator[Finding]:
    if server.fault is not None:
        mend = MENDS.get(server.trouble or "", ELSE)
        yield red(BUS, f"Redis does not answer as it should at {server.address} ({server.fault})", mend)
        return
    said = f"Redis answers at {server.address} ({server.version}), a message came round in "
    said += f"{server.round_trip * 1000:.1f} ms"
    if server.round_trip > SLOW_SECONDS:
        yield yellow(BUS, f"{said}, which is slow", "look at the way there, and at what else that server does")
    else:
        yield green(BUS, said)
    yield from _biting(settings, server)


def _biting(settings: Settings, server: Condition) -> Iterator[Finding]:
    facts, at = server.facts, server.address
    if facts.get("role") == "slave":
        said = f"{at} is a replica: who is told there is not told by the master"
        yield yellow(BUS, said, "name the master, or Sentinels by redis+sentinel://")
    if facts.get("cluster_enabled") == "1" and "+cluster" not in (settings.redis_url or ""):
        yield yellow(
            BUS, f"{at} is one server of a Cluster", "name it by redis+cluster://, so that its shards share the work"
        )
    room = int(facts.get("maxclients", 10_000)) - int(facts.get("connected_clients", 0))
    needed = EACH * (settings.workers + 1)
    if room < needed:
        said = f"{at} has room for {max(0, room)} more connections, and {settings.workers} workers take up to {needed}"
        yield red(BUS, said, "raise its `maxclients`, or end other clients")
    hard = _hard_limit(facts.get("client-output-buffer-limit", ""))
    if 0 < hard < SMALL_BUFFER:
        said = f"{at} cuts off a listener behind which {hard} bytes wait (client-output-buffer-limit)"
        yield yellow(BUS, said, "set `client-output-buffer-limit pubsub 32mb 8mb 60`, its default")


def _hard_limit(limits: str) -> int:
    """Of listeners, in bytes; 0 for none: `normal 0 0 0 slave … pubsub HARD SOFT SECONDS`."""
    words = limits.split()
    at = words.index("pubsub") + 1 if "pubsub" in words else len(words)
    return int(words[at]) if at < len(words) and words[at].isdigit() else 0
