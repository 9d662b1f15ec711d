"""The hub is told to go, and comes back: so does the page, and no count ever moves."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.page.restarting import come_back, inside, never_moved, served, states
from tests.page.windows import Windows
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_after_a_restart_both_are_back_without_a_reload_and_the_count_never_moved(
    room: Windows, tmp_path: Path
) -> None:
    async with served(tmp_path) as hub:
        session, seen = await inside(room, hub.now)
        await come_back(hub, session, seen, signal.SIGTERM)
        await never_moved(session, seen)
        for window in seen:
            told = await states(window)
            lost = 2 if told[1] == "connecting" else 1  # the hub may tell it to come back at once, and is gone by then
            assert (told[0], told[lost], told[-1]) == ("open", "waiting", "open"), told


async def test_control_a_count_that_moves_for_a_moment_is_recorded(room: Windows, hub: Running) -> None:
    session, seen = await inside(room, hub)
    await (
        seen[0]
        .says(session, "live")
        .evaluate(
            """async node => {
            const before = [...node.childNodes];
            node.replaceChildren("0 here now");
            await Promise.resolve();
            node.replaceChildren(...before);
        }"""
        )
    )
    with pytest.raises(AssertionError, match="0 here now"):
        await never_moved(session, seen)
