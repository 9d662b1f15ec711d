"""`hub check`."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from typing import NoReturn

import click

from hub import checks, logs


def run(as_json: bool) -> NoReturn:
    """Say what was found; exit code 1 when something is red."""
    findings = asyncio.run(checks.run(os.environ))
    if as_json:
        click.echo(logs.as_json({"findings": [dataclasses.asdict(finding) for finding in findings]}))
    for finding in () if as_json else findings:
        click.echo(str(finding))
    sys.exit(1 if any(finding.light == checks.RED for finding in findings) else 0)
