"""`hub check` as a test asks it: all that it finds, and what it says of one thing."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from hub import checks
from hub.checks.finding import Finding
from tests.running import PATIENCE, now

KEY = base64.b64encode(bytes(range(32))).decode()
GOOD = {"HUB_JWT_SECRET": "B7/fk3Qw9x!zLm2#Yt8rVb5&Nc4^Hj1@Pd6*Gs0", "HUB_SECRET_KEY": KEY}
COMPLAINTS = ("red", "yellow")


async def look(
    where: Path | str, changes: Mapping[str, str] | None = None, *, skew: float = 0.0, **more: str
) -> list[Finding]:
    """All findings with this database, beside what is good and what changes; in none of them stands a secret."""
    url = where if isinstance(where, str) else f"sqlite:///{where}"
    variables = {
        name: value
        for name, value in {**GOOD, "HUB_PORT": "0", "HUB_DATABASE_URL": url, **(changes or {}), **more}.items()
        if value
    }
    async with asyncio.timeout(PATIENCE):
        found = await checks.run(variables, lambda: now() + timedelta(seconds=skew))
    told = " ".join(map(str, found))
    assert "s3cret" not in told
    assert not any(value in told for name, value in variables.items() if name in GOOD)
    assert all(finding.about in checks.ABOUT for finding in found)
    assert all(bool(finding.mend) is (finding.light in COMPLAINTS) for finding in found), told
    return found


def about(found: list[Finding], what: str, *lights: str) -> str:
    """What is said of it, of all or these lights; a line each."""
    return "\n".join(str(one) for one in found if one.about == what and (not lights or one.light in lights))
