"""How commands read their settings, and how they end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import NoReturn, Protocol

import click

from hub.settings import Settings, WrongSetting, from_environment


def fail(message: str) -> NoReturn:
    """End with this sentence and exit code 2."""
    click.echo(f"hub: {message}", err=True)
    sys.exit(2)


def settings_of(**options: object) -> Settings:
    """The settings of the environment; `options` go before."""
    try:
        return from_environment(os.environ, **options)
    except WrongSetting as wrong:
        fail(str(wrong))


class Told(Protocol):
    """How a command that changes much ended."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""

    def told(self) -> Iterable[str]:
        """Its sentences."""


def tell(done: Told) -> NoReturn:
    """End with what became of it: exit code 1 when something is left to do."""
    for said in done.told():
        click.echo(f"hub: {said}")
    sys.exit(0 if done.complete else 1)


def lasting(option: str, text: str) -> timedelta:
    """A duration as the command line takes it."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if not text[:-1].isdecimal() or text[-1:] not in units or len(text) > 8:
        fail(f"{option} takes a number and s, m, h or d, like 90s or 2h, not {text!r}")
    return timedelta(seconds=int(text[:-1]) * units[text[-1]])
