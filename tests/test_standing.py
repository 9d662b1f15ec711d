"""What a hub that starts says of itself: where it listens, on what it stands, what is switched off, and no secret."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from hub import standing
from tests.processes import free_port
from tests.running import PATIENCE, SECRET, kill, settings_for, spawn
from tests.servers import RedisServer


async def said(folder: Path, **environment: str) -> str:
    """The log of a `hub serve` that was started and stopped."""
    log = folder / "hub.log"
    hub = await spawn(folder, free_port(), None, **environment)
    try:
        async with asyncio.timeout(PATIENCE):
            while "hub.readiness" not in log.read_text():  # noqa: ASYNC110  lines of one turn are written after it
                await asyncio.sleep(0.01)
    finally:
        await kill(hub)
    return log.read_text()


async def test_a_start_is_a_block_for_people(tmp_path: Path) -> None:
    lines = (await said(tmp_path)).splitlines()
    block = [line for line in lines if line.startswith("hub: ")]
    assert block[0].startswith("hub: listening on http://127.0.0.1:")
    assert any(line.startswith("hub:   database  SQLite 3.") for line in block)
    assert "hub:   bus       in memory" in block
    assert "hub:   tokens    HS256 by HUB_JWT_SECRET" in block
    assert "hub:   off       HUB_RATE_LIMIT is off" in block
    assert "hub:             payments: HUB_PAYMENT_WEBHOOK_SECRET is not set" in block
    assert SECRET not in "\n".join(lines)
    assert all(line.startswith("hub: ") or " info hub.readiness: ready" in line for line in lines)


async def test_a_start_is_one_line_of_json_for_machines_and_nothing_else_is_said(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (await said(tmp_path, HUB_LOG_FORMAT="json")).splitlines()]
    assert sorted(line["message"] for line in lines) == ["listening", "ready"]
    (start,) = [line for line in lines if line["message"] == "listening"]
    assert start["url"].startswith("http://127.0.0.1:")
    assert (start["workers"], start["bus"], start["log"]) == (1, "in memory", "json, changes")
    assert start["limits"]["requests_a_minute"] is None
    assert start["limits"]["per_person"] == 20
    assert "HUB_MESSAGE_RATE_LIMIT is off" in start["off"]
    assert start["python"] == ".".join(map(str, sys.version_info[:3]))


async def facts(where: str, **changes: Any) -> dict[str, Any]:
    """What would be said with these settings."""
    return await standing.facts(settings_for(where, **changes))


async def test_servers_say_their_versions_and_those_that_are_away_are_said_to_be(
    fresh_postgres: str, redis_server: RedisServer
) -> None:
    found = await facts(fresh_postgres, redis_url=redis_server.url(3), workers=4)
    assert found["database"].startswith("PostgreSQL 1")
    assert found["bus"].startswith("Redis (Valkey ")
    assert found["bus"].endswith(", number 3")
    assert "note" not in found
    nowhere = f"hub:s3cret@127.0.0.1:{free_port()}"
    away = await facts(f"postgresql://{nowhere}/hub", redis_url=f"redis://{nowhere}")
    assert away["database"].startswith("PostgreSQL (not reached yet), postgresql://127.0.0.1")
    assert away["bus"].startswith("Redis (not reached yet), 127.0.0.1")
    assert "s3cret" not in str(away)


async def test_what_is_configured_is_not_said_to_be_off(fresh_postgres: str) -> None:
    more = {"jwt_secret": None, "jwt_jwks_url": "https://me:s3cret@id.example/keys", "jwt_audience": "hub"}
    found = await facts(fresh_postgres, **more, jwt_issuer="us", rate_limit=5, message_rate_limit=5)
    assert found["tokens"] == "RS256, ES256, EdDSA by the keys of id.example"
    assert found["off"] == [
        "figures of each process: HUB_METRICS_PORT is not set",
        "other processes: HUB_REDIS_URL is not set",
        "pages of other origins: HUB_ALLOWED_ORIGINS is not set",
    ]
    assert "must be the only process" in found["note"]
    assert "\nhub:   note      without HUB_REDIS_URL" in standing.block("http://127.0.0.1:8000", found)


async def test_a_start_says_where_each_process_shows_its_figures(tmp_path: Path) -> None:
    where = str(tmp_path / "hub.db")
    assert (await facts(where, metrics_port=9100))["figures"] == "http://127.0.0.1:9100/metrics"
    found = await facts(where, metrics_port=9100, metrics_host="::1", workers=3)
    assert found["figures"] == "http://[::1]:9100/metrics, and so on to 9102"
    assert not any("HUB_METRICS_PORT" in one for one in found["off"])
    assert "figures" not in await facts(where)
