"""What the reference shows to be copied works as it stands: in a shell with the real curl, and in a browser.

All of it is read from the page of a running hub, and run against that hub.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from hub.web.examples import BODIES
from hub.web.forms import PaymentMessage
from tests.browser import Watched, opened
from tests.processes import missing
from tests.running import API, PATIENCE, Running, running, token
from tests.test_rest_payments import signed

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_CURL = "install curl (Debian: `apt-get install curl`)"
EXPERT, STUDENT = token("e-7", "expert", "Dr. Jane Smith"), token("ann")
CURLRC = 'silent\ninclude\nnoproxy = "*"\n'
"""The head of each answer goes before its body, so that its status is seen without a word more in the command."""

Operation = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub that listens."""
    async with running(tmp_path_factory.mktemp("snippets")) as listening:
        yield listening


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def docs(browser: Browser, hub: Running) -> AsyncIterator[Watched]:
    """Its reference, in a browser."""
    async with opened(browser, f"{hub.url}/docs") as watched:
        await watched.page.locator("#status").wait_for(state="hidden")
        yield watched


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operations(hub: Running) -> list[Operation]:
    """All of the reference's operations."""
    async with hub.http() as http:
        paths: dict[str, dict[str, Operation]] = (await http.get("/openapi.json")).json()["paths"]
    return [described for methods in paths.values() for described in methods.values()]


async def shown(docs: Watched, anchor: str, kind: str) -> str:
    """The first code of that kind in the article."""
    return (await docs.page.locator(f"[id='{anchor}'] .{kind} code").first.text_content()) or ""


async def a_session_for(hub: Running, name: str) -> int:
    """A session in the state in which the operation succeeds."""
    session: int = (await hub.create())["id"]
    if name == "delete_one_book":
        await hub.book(session, "ann")
    if name == "patch_one_end":
        await hub.start(session)
    return session


def variables(described: Operation, session: int, body: str) -> dict[str, str]:
    """What the reader has: by the names of a program."""
    wanted = STUDENT if "`student`" in described.get("description", "") else EXPERT
    held = {"token": wanted, "id": str(session)}
    if described["operationId"] == "post_api_payments_webhook":
        headers = signed(body.encode(), f"msg-{session}")
        held |= {f"webhook{part.title()}": headers[f"webhook-{part}"] for part in ("id", "timestamp", "signature")}
    return held


def success(described: Operation) -> set[str]:
    """The statuses that mean it was done."""
    return {status for status in described["responses"] if status.startswith("2")}


PAID = BODIES[PaymentMessage]


async def test_every_curl_command_does_what_its_route_says(
    hub: Running, docs: Watched, operations: list[Operation], tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        missing(NO_CURL)
    (tmp_path / ".curlrc").write_text(CURLRC)
    for described in operations:
        name = described["operationId"]
        command = await shown(docs, name, "plain-text")
        held = variables(described, await a_session_for(hub, name), json.dumps(PAID, indent=2))
        answer = await run_in_a_shell(command, tmp_path, held)
        status = answer.split(" ", 2)[1]
        assert status in success(described), f"{command}\n{answer}"
    assert len(operations) > 25


async def run_in_a_shell(command: str, home: Path, held: Mapping[str, str]) -> str:
    """What it prints, the head of the answer first; of a stream, what comes until its first event."""
    names = {re.sub(r"([A-Z])", r"_\1", name).upper(): value for name, value in held.items()}
    environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(home), **names}
    shell = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, env=environment, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert shell.stdout is not None
    heard = b""
    try:
        async with asyncio.timeout(PATIENCE):
            while b"event: session" not in heard and (more := await shell.stdout.read(65536)):
                heard += more
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        await shell.wait()
    return heard.decode()


RUN = """async ({ %s }) => {
  let told; const first = new Promise((resolve) => { told = resolve; });
  const logged = []; const console = { log: (...what) => { logged.push(what); told(); } };
  %s
  await first;
  return { status: typeof answer === "undefined" ? 200 : answer.status, logged };
}"""


async def test_every_javascript_of_a_route_does_what_its_route_says(
    hub: Running, docs: Watched, operations: list[Operation]
) -> None:
    for described in operations:
        name = described["operationId"]
        text = await shown(docs, name, "script-text")
        held = variables(described, await a_session_for(hub, name), json.dumps(PAID, separators=(",", ":")))
        done = await docs.page.evaluate(RUN % (", ".join(held), text), held)
        assert str(done["status"]) in success(described), text
        assert done["logged"][0][0] is not None, text
    assert docs.faults == []


async def test_what_is_shown_of_the_client_works_on_a_session_that_runs(hub: Running, docs: Watched) -> None:
    session = (await hub.create())["id"]
    await hub.book(session, "ann")
    await hub.start(session)
    said = ("say-auth", "say-watch", "tell-session", "tell-catalog", "say-join", "tell-roster", "tell-presence")
    parts = [await shown(docs, anchor, "script-text") for anchor in (*said, "tell-error", "say-leave", "say-unwatch")]
    begin = await docs.page.locator("#client-javascript code").last.text_content() or ""
    begin = re.sub(r'import \{ connect \} from ("[^"]+")', r"const { connect } = await import(\1)", begin)
    text = "\n".join((begin, *(f"{{ {part} }}" for part in parts), "hub.close();"))

    done = await docs.page.evaluate(RUN % ("token, id", text), {"token": STUDENT, "id": session})

    logged = [json.dumps(line) for line in done["logged"]]
    assert '["ann"]' in logged  # who the hub knows us as
    assert '["1 here"]' in logged or '["0 here"]' in logged
    assert "[null, true]" in logged  # no meeting was set, and we are in
    assert logged[-1] == "[false]" or "[false]" in logged  # and out again
    assert docs.faults == []


async def test_every_message_that_a_client_may_meet_has_its_line_in_the_test_above(docs: Watched) -> None:
    shown_by = await docs.page.locator("article:has(.script-text)").evaluate_all("all => all.map((one) => one.id)")
    of_messages = {one for one in shown_by if one.startswith(("say-", "tell-"))}
    assert of_messages == {
        *("say-auth", "say-watch", "say-unwatch", "say-join", "say-leave", "say-roster"),
        *("tell-error", "tell-session", "tell-roster", "tell-presence", "tell-catalog"),
    }


async def test_control_a_command_that_fails_would_be_seen(hub: Running, tmp_path: Path) -> None:
    (tmp_path / ".curlrc").write_text(CURLRC)
    answer = await run_in_a_shell(f'curl "{hub.url}{API}/$ID"', tmp_path, {"id": "1"})
    assert answer.startswith("HTTP/1.1 401 ")
