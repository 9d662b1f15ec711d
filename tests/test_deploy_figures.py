"""The dashboard and the alerts ask for nothing that the hub does not tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.metrics.table import FIGURES, HISTOGRAM, PROCESS

DEPLOY = Path(__file__).parents[1] / "deploy"
SCRAPER = frozenset({"job", "instance"})
"""Labels that Prometheus itself puts on."""
ASKED = re.compile(r"(?<![\w$\"])((?:hub|process)_\w+|up)\b(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
SAID = re.compile(r"\$labels\.(\w+)")


def samples() -> Mapping[str, frozenset[str]]:
    """What a scrape may hold: each sample's labels by its name."""
    told = {name: frozenset[str]() for name in (*PROCESS, "up")}
    for one in FIGURES:
        labels = frozenset(one.labels)
        if one.kind == HISTOGRAM:
            told |= {f"{one.name}_bucket": labels | {"le"}, f"{one.name}_count": labels, f"{one.name}_sum": labels}
        else:
            told[one.name] = labels
    return told


TOLD = samples()


def faults(expression: str) -> list[str]:
    """What is wrong with a query: names and labels that there are not, gauges with a rate, counters without."""
    found = []
    known = set(SCRAPER)
    for name, selectors in ASKED.findall(expression):
        if name not in TOLD:
            found.append(f"{name} is not told")
            continue
        known |= TOLD[name]
        wrong = set(re.findall(r"(\w+)\s*=", selectors)) - TOLD[name] - SCRAPER
        found += [f"{name} has no label {label}" for label in sorted(wrong)]
        rising = name.endswith(("_total", "_bucket", "_count", "_sum"))
        if rising != bool(re.search(rf"\b(rate|increase)\({name}\b", expression)):
            found.append(f"{name} {'only rises' if rising else 'is no counter'}")
    if not ASKED.search(expression):
        found.append("it asks for nothing")
    grouped = {label for labels in GROUPED.findall(expression) for label in re.findall(r"\w+", labels)}
    return found + [f"nothing has a label {label}" for label in sorted(grouped - known)]


def panels() -> Iterator[Any]:
    """Of the dashboard, the rows too."""
    board = json.loads((DEPLOY / "dashboard.json").read_text())
    yield from board["panels"]


def rules() -> list[Any]:
    """The alerts."""
    (group,) = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    return list(group["rules"])


def test_the_dashboard_asks_only_for_what_is_told() -> None:
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    assert {expression: wrong for expression in asked if (wrong := faults(expression))} == {}
    shown = {name for expression in asked for name, _ in ASKED.findall(expression)}
    missing = [one.name for one in FIGURES if not any(name.startswith(one.name) for name in shown)]
    assert missing == []


def test_the_dashboard_has_its_rows_and_no_panel_lies_over_another() -> None:
    every = list(panels())
    assert [panel["title"] for panel in every if panel["type"] == "row"] == [
        "People and connections", "Deliveries", "Ledger", "Bus", "Leases", "HTTP", "Refusals", "Processes",
    ]  # fmt: skip
    assert len({panel["id"] for panel in every}) == len(every)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in every)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_only_for_what_is_told_and_says_what_to_do(rule: Any) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert faults(rule["expr"]) == []
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "action"}
    assert all(text.endswith(".") for text in rule["annotations"].values())
    grouped = {label for labels in GROUPED.findall(rule["expr"]) for label in re.findall(r"\w+", labels)}
    said = set(SAID.findall(" ".join(rule["annotations"].values())))
    assert said <= (grouped or SCRAPER | {label for name, _ in ASKED.findall(rule["expr"]) for label in TOLD[name]})


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("hub_conections > 1", "hub_conections is not told"),
        ('hub_connections{sort="socket"} > 1', "hub_connections has no label sort"),
        ("hub_deliveries_total > 1", "hub_deliveries_total only rises"),
        ("rate(hub_rooms[5m]) > 1", "hub_rooms is no counter"),
        ("sum by (codes) (rate(hub_closes_total[5m]))", "nothing has a label codes"),
        ("hub_ledger_commit_seconds > 1", "hub_ledger_commit_seconds is not told"),
        ("1 > 0", "it asks for nothing"),
    ],
)
def test_control_a_query_for_what_is_not_told_is_found(expression: str, wrong: str) -> None:
    assert faults(expression) == [wrong]
