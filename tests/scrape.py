"""What a scraper sees: every sample of one answer, by Prometheus' own parser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
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


class Moved:
    """A figure, and by how much it is to move at least."""

    def __init__(self, name: str, by: float = 1, /, **labels: str) -> None:
        self.name = name
        self.by = by
        self.labels = labels


@asynccontextmanager
async def moves(hub: Running, *figures: Moved) -> AsyncIterator[None]:
    """What is done inside moves these figures of the first process, now or soon; time-outs say which did not."""
    before = await scrape(hub.ports[0])
    yield
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        now = await scrape(hub.ports[0])
        still = [
            (one.name, one.labels, before.of(one.name, **one.labels), now.of(one.name, **one.labels))
            for one in figures
            if now.of(one.name, **one.labels) < before.of(one.name, **one.labels) + one.by
        ]
        if not still:
            return
        assert asyncio.get_running_loop().time() < deadline, still
        await asyncio.sleep(0.01)


async def comes(hub: Running, true: Callable[[Scrape], bool]) -> None:
    """Wait until the first process's figures are so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if true(await scrape(hub.ports[0])):
                return
            await asyncio.sleep(0.01)
