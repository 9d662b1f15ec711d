"""Figures as aligned text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.client import Turn
from benchmarks.machine import Cost

HEADER = (
    "",
    "per second",
    "lowest",
    "highest",
    "p50 ms",
    "p99 ms",
    "CPU µs each",
    "server busy",
    "client busy",
    "answers",
)


UNDISTURBED = 0.75
"""The share of a turn that a server under full load must be busy, for its rate to be its own."""


@dataclass(frozen=True)
class Verdict:
    """A figure against its baseline; `ratio` None if there is nothing to compare with, `met` if nothing is wanted."""

    what: str
    figure: str
    baseline: str = "-"
    ratio: float | None = None
    target: str = "-"
    met: bool | None = None

    def row(self) -> tuple[str, ...]:
        """Its line in the table."""
        ratio = "-" if self.ratio is None else f"{self.ratio:.3f}"
        return (
            self.what,
            self.figure,
            self.baseline,
            ratio,
            self.target,
            {None: "-", True: "yes", False: "no"}[self.met],
        )


def at_most(what: str, value: float, most: float, unit: str, baseline: float | None = None) -> Verdict:
    """A figure of which less is better, wanted at `most`; all in `unit`."""
    found = Verdict(what, amount(value, unit), target=f"<= {amount(most, unit, exact=True)}", met=value <= most)
    return found if baseline is None else replace(found, baseline=amount(baseline, unit), ratio=over(value, baseline))


def ratio_at_most(what: str, value: float, baseline: float, most: float | None, unit: str) -> Verdict:
    """A figure of which less is better, wanted at `most` times its baseline (None: only told)."""
    ratio = over(value, baseline)
    found = Verdict(what, amount(value, unit), amount(baseline, unit), ratio)
    return found if most is None else replace(found, target=f"<= {most:.2f}", met=ratio <= most)


def over(value: float, baseline: float) -> float:
    """`value` as a multiple of `baseline`; not a number when that is nothing."""
    return value / baseline if baseline > 0 else math.nan


def amount(value: float, unit: str, *, exact: bool = False) -> str:
    """A figure with its unit: three digits, or all before the point; just as it is when whole or `exact`."""
    size = abs(value)
    if exact or isinstance(value, int):
        return f"{value:,g} {unit}"
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2}f} {unit}"


def at(values: Sequence[float], share: float) -> float:
    """The value below which this share of the sorted `values` lies; not a number when there are none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else math.nan


def share(what: str, turns: Sequence[Turn], baseline: Sequence[Turn], target: float) -> tuple[Verdict, Verdict]:
    """The rate of `turns` as a share of the baseline's: by medians, and by the best turn of each.

    Other work on the machine only ever slows a turn down, so the best ones are the least disturbed.
    """
    return (
        _share(what, median(turn.rate for turn in turns), median(turn.rate for turn in baseline), target),
        _share("  best turn of each", max(turn.rate for turn in turns), max(turn.rate for turn in baseline), target),
    )


def _share(what: str, mine: float, theirs: float, target: float) -> Verdict:
    ratio = mine / theirs
    return Verdict(what, f"{mine:,.0f}/s", f"{theirs:,.0f}/s", ratio, f">= {target:.2f}", ratio >= target)


def disturbed(baseline: Sequence[Turn]) -> str:
    """A warning when neither the baseline's server nor the client was busy: then the ratios of rates flatter."""
    busy = [max(turn.cpu or 0.0, turn.own_cpu) / turn.seconds for turn in baseline if turn.cpu is not None]
    if not busy or median(busy) >= UNDISTURBED:
        return ""
    return (
        f"DISTURBED: the no-op's server was busy for {median(busy):.0%} of the time only, so something else used the\n"
        "cores, the baseline is too low and the ratios of rates are too good. Trust the ratio of CPU, or run it again."
    )


def cpu_share(what: str, turns: Sequence[Turn], baseline: Sequence[Turn]) -> Verdict | None:
    """The baseline's CPU time over that of `turns`: other work on the machine disturbs it less than rates."""
    mine, theirs = _cpu(turns), _cpu(baseline)
    if not mine or not theirs:
        return None
    return Verdict(what, f"{mine * 1e6:,.0f} µs", f"{theirs * 1e6:,.0f} µs", theirs / mine)


def busy(costs: Sequence[Cost]) -> tuple[str, str]:
    """The shares of the time that server and client worked, by medians."""
    server, client = (median(shares) for shares in zip(*(cost.busy for cost in costs), strict=True))
    return f"{server:.0%}", f"{client:.0%}"


def turns_row(name: str, turns: Sequence[Turn]) -> tuple[str, ...]:
    """The line of one kind of request over all its turns."""
    rates = [turn.rate for turn in turns]
    latencies = sorted(latency for turn in turns for latency in turn.latencies)
    cpu = _cpu(turns)
    busy = [turn.cpu / turn.seconds for turn in turns if turn.cpu is not None]
    return (
        name,
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}",
        f"{max(rates):,.0f}",
        f"{at(latencies, 0.5) * 1000:.2f}",
        f"{at(latencies, 0.99) * 1000:.2f}",
        "-" if cpu is None else f"{cpu * 1e6:,.0f}",
        "-" if not busy else f"{median(busy):.0%}",
        f"{median(turn.own_cpu / turn.seconds for turn in turns):.0%}",
        f"{sum(turn.answered for turn in turns):,}",
    )


def _cpu(turns: Sequence[Turn]) -> float | None:
    each = [turn.cpu_each for turn in turns if turn.cpu_each is not None]
    return median(each) if each else None


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text: the first column to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def report(
    title: str,
    facts: str,
    rows: Sequence[Sequence[str]],
    verdicts: Sequence[Verdict | None],
    *notes: str,
    header: Sequence[str] = HEADER,
) -> str:
    """All of one benchmark; `header` is that of the rows."""
    shown = [verdict.row() for verdict in verdicts if verdict is not None]
    parts = [title, facts]
    if rows:
        parts.append(aligned([header, *rows]))
    parts.append(aligned([("", "figure", "baseline", "ratio", "target", "met"), *shown]))
    return "\n\n".join([*parts, "\n".join(filter(None, notes))]).rstrip() + "\n"
