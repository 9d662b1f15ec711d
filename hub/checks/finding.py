"""What a look finds, and the names of all looks."""

from __future__ import annotations

from dataclasses import dataclass

GREEN, YELLOW, RED = "green", "yellow", "red"

SETTINGS = "settings"
SECRETS = "secrets"
DATABASE = "database"
SQLITE = "SQLite"
DISK = "disk"
MEETINGS = "meetings"
CLOCK = "clock"
BUS = "bus"
KEYS = "token keys"
DESCRIPTORS = "file descriptors"
WORKERS = "workers"
MEMORY = "memory"
ABOUT = (SETTINGS, SECRETS, DATABASE, SQLITE, DISK, MEETINGS, CLOCK, BUS, KEYS, DESCRIPTORS, WORKERS, MEMORY)
"""Everything that a finding may be about, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `light` is green, yellow (it works, and will hurt) or red (it does not work).

    `said` is what is so, `mend` what to do about it; nothing where it is green.
    """

    light: str
    about: str
    said: str
    mend: str = ""

    def __str__(self) -> str:
        """A line for people."""
        return f"{self.light:6} {self.about}: {self.said}{f': {self.mend}' if self.mend else ''}"


def green(about: str, said: str) -> Finding:
    """All is well."""
    return Finding(GREEN, about, said)


def yellow(about: str, said: str, mend: str) -> Finding:
    """It works, and will hurt."""
    return Finding(YELLOW, about, said, mend)


def red(about: str, said: str, mend: str) -> Finding:
    """It does not work, or not as promised."""
    return Finding(RED, about, said, mend)
