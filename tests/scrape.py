"""What a scraper sees: every sample of one answer, by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.running import PATIENCE, Running


class Scrape:
    """One answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self._samples = [sample for family in self.families for sample in family.samples]

    @property
    def names(self) -> set[str]:
        """Of every sample."""
        return {sample.name for sample in self._samples}

    @property
    def labels(self) -> Mapping[str, set[str]]:
        """By the name of a sample, the names of its labels."""
        found: dict[str, set[str]] = {}
        for sample in self._samples:
            found.setdefault(sample.name, set()).update(sample.labels)
        return found

    def of(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; 0 where there is none."""
        found = [one for one in self._samples if one.name == name and labels.items() <= one.labels.items()]
        return sum(one.value for one in found)


async def scrape(port: int, **more: Any) -> Scrape:
    """Ask one process."""
    async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False, verify=False) as http:
        answer = await http.get(f"http://127.0.0.1:{port}/metrics", **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(answer.text)


async def figure(hub: Running, name: str, **labels: str) -> float:
    """What the first process says of one figure."""
    return (await scrape(hub.ports[0])).of(name, **labels)
