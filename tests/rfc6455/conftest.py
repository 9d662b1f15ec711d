"""One hub for each driver of `/ws`, for all tests of a module; and what is known to be wrong with a driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from tests.running import Running, running

LIMIT = 70_000
"""Octets of a message: enough for lengths of 8 octets."""

DRIVERS: Mapping[str, Mapping[str, Any]] = {"direct": {"direct": True}, "asgi": {"direct": False}}
"""The drivers, and how a server is told to use them."""


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """On the loop that `hub serve` runs on; the other tests of the socket are on asyncio's own."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "deviates(driver, reason): this driver is known to fail here, for this reason")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What deviates must fail, under that driver alone: when it no longer does, the mark has to go."""
    for item in items:
        for mark in item.iter_markers("deviates"):
            driver, reason = mark.args
            assert driver in DRIVERS, item.nodeid
            assert isinstance(item, pytest.Function)
            if item.callspec.params["hub"] == driver:
                item.add_marker(pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(DRIVERS))
async def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub that listens, and takes messages of LIMIT octets."""
    folder = tmp_path_factory.mktemp("rfc6455")
    async with running(folder, max_message_bytes=LIMIT, serving_as=DRIVERS[request.param]) as listening:
        yield listening
