"""The README's page: from nothing to a live count, as it is written there."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from tests.browser import chromium, opened
from tests.processes import free_port
from tests.running import PATIENCE, Client, running

SECTION = (Path(__file__).parents[2] / "README.md").read_text().split("\n## From an empty page to a live count\n")[1]
SECTION = SECTION.split("\n## ")[0]


def block(language: str) -> str:
    """The section's code in this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    return str(found)


@asynccontextmanager
async def served(folder: Path, command: str, port: int) -> AsyncIterator[None]:
    """The README's `python3 -m http.server`, in this folder and on this port."""
    program, *arguments = command.replace("9000", str(port)).split()
    assert program == "python3"
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=folder, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(PATIENCE), httpx2.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    await http.head(f"http://127.0.0.1:{port}/")
                    break
                except httpx2.TransportError:
                    assert process.returncode is None
                    await asyncio.sleep(0.02)
        yield
    finally:
        process.kill()
        await process.wait()


async def test_ten_lines_show_a_live_count(tmp_path: Path) -> None:
    page, (hub_line, site_line) = block("html"), block("sh").splitlines()
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    assert len(page.splitlines()) == 10
    assert hub_line.startswith("HUB_ALLOWED_ORIGINS=http://127.0.0.1:9000 hub ")
    async with running(tmp_path, allowed_origins=frozenset({origin})) as hub, chromium() as browser:
        assert (await hub.create())["id"] == 1
        await hub.book(1, "ann")
        (tmp_path / "live.html").write_text(page.replace("http://127.0.0.1:8000", hub.url))
        async with served(tmp_path, site_line, port), opened(browser, f"{origin}/live.html") as watched:
            await watched.page.get_by_text("Here now: 0").wait_for()
            async with Client.at(hub, "ann") as ann:
                await ann.ask(type="join", session=1)
                await watched.page.get_by_text("Here now: 1").wait_for()
                await ann.ask(type="leave", session=1)
                await watched.page.get_by_text("Here now: 0").wait_for()
            assert watched.faults == []
