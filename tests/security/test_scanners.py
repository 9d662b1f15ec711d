"""The scanners of the continuous checks: what is switched off has its reason, and what is on would find something."""

from __future__ import annotations

import ast
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.floors import ROOT, sources

AUDIT = runpy.run_path(str(ROOT / ".ci" / "audit.py"))
CHANCE: Mapping[str, str] = {
    "hub.bus.redis.sender": "spreads attempts",
    "hub.bus.redis.servers": "spreads attempts",
    "hub.client.hub": "spreads attempts",
    "hub.crowd": "plays people",
    "hub.presence": "spreads attempts",
    "hub.sockets.lobby": "spreads who comes back",
    "hub.sockets.pulse": "spreads pings",
    "hub.store.postgresql": "spreads attempts",
    "hub.web.sse": "spreads who comes back",
}
"""Where dice are no danger (bandit's B311 is off for them); ids and keys come from `secrets`."""


def names_chance(source: str) -> bool:
    """Whether a module imports `random`."""
    return any(
        (isinstance(node, ast.Import) and any(alias.name == "random" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "random")
        for node in ast.walk(ast.parse(source))
    )


def test_dice_are_thrown_only_where_nothing_hangs_on_them() -> None:
    assert {name for name, source in sources().items() if names_chance(source)} == set(CHANCE)
    assert names_chance("from random import randbytes")


def test_what_a_scanner_is_told_to_leave_has_its_reason() -> None:
    left = [line for source in sources().values() for line in source.splitlines() if "nosec" in line]
    assert left
    assert [line for line in left if not re.search(r"# nosec B\d{3}  # \w.{8,}$", line)] == []


def test_bandit_would_see_a_fault(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("import subprocess\n\n\ndef run(what: str) -> None:\n    subprocess.run(what, shell=True)\n")
    command = [sys.executable, "-m", "bandit", "-q", "-c", str(ROOT / "pyproject.toml"), str(planted)]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (asked.returncode, "B602" in asked.stdout) == (1, True), asked.stderr


def report(*packages: Mapping[str, Any]) -> str:
    """As pip-audit writes it."""
    return json.dumps({"dependencies": packages, "fixes": []})


SOUND = {"name": "a", "version": "1", "vulns": []}
FAULTY = {"name": "b", "version": "2", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["3"], "aliases": []}]}
UNSEEN = {"name": "c", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("told", "count", "found"),
    [
        pytest.param(report(SOUND, FAULTY, UNSEEN), 2, ["b 2: CVE-2026-1"], id="findings"),
        pytest.param(report(SOUND, UNSEEN), 1, [], id="clean"),
        pytest.param(report(UNSEEN, UNSEEN), 0, [], id="a source that answers for none"),
        pytest.param("", 0, [], id="a source that can't be reached"),
        pytest.param("[1]", 0, [], id="something else"),
    ],
)
def test_findings_are_not_taken_for_a_source_that_is_away_P1(told: str, count: int, found: list[str]) -> None:
    assert AUDIT["read"](told) == (count, found)
