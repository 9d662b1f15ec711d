"""Ask for known advisories about what is installed. Findings fail; that no source can be reached is said aloud."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SOURCES = ("pypi", "osv")
SECONDS = 10
"""For one answer of a source."""


def read(report: str) -> tuple[int, list[str]]:
    """How many packages a report of pip-audit really looked up, and what it found; none of a report that broke off.

    A source that can't be reached may answer for none of them, which pip-audit calls success.
    """
    try:
        looked_up: list[dict[str, Any]] = [one for one in json.loads(report)["dependencies"] if "vulns" in one]
    except (ValueError, KeyError, TypeError):
        return 0, []
    found = [f"{one['name']} {one['version']}: {fault['id']}" for one in looked_up for fault in one["vulns"]]
    return len(looked_up), found


def main() -> int:
    """The exit code."""
    for source in SOURCES:
        command = ["-m", "pip_audit", "--vulnerability-service", source, "--timeout", str(SECONDS), "--skip-editable"]
        command += ["--format", "json", "--progress-spinner", "off"]
        try:
            asked = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            continue
        count, found = read(asked.stdout)
        if count:
            told = f"{count} packages looked up at {source}, {len(found)} advisories"
            sys.stdout.write("\n".join([told, *found, ""]))
            return 1 if found else 0
    sys.stdout.write("NOT AUDITED: no source of advisories can be reached from here\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
