"""A4: each limit and one more: what is just right is taken, what is over is refused by the right code."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from hub.sockets.caller import MOST_LINES, MOST_OCTETS, MOST_SURPLUS
from hub.strictjson import MOST_DEPTH
from hub.web.http import MAX_BODY_BYTES, MAX_QUERY_BYTES, MAX_QUERY_NAMES
from tests.rfc6455.raw import Peer, reach
from tests.running import API, EXPERT, Running, draft, running
from tests.security.test_limits_depth import deep

pytestmark = pytest.mark.asyncio(loop_scope="module")


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """On the loop that `hub serve` runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub for all of them."""
    async with running(tmp_path_factory.mktemp("sizes")) as listening:
        yield listening


def body(size: int) -> bytes:
    """A valid draft of so many bytes."""
    whole = json.dumps(draft()).encode()
    return whole + b" " * (size - len(whole))


def chunked(octets: bytes, size: int = 1000) -> bytes:
    parts = [octets[at : at + size] for at in range(0, len(octets), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def post(*lines: str) -> bytes:
    head = [f"POST {API} HTTP/1.1", "Host: hub", f"Authorization: {EXPERT['Authorization']}"]
    return "\r\n".join([*head, "Content-Type: application/json", *lines, "", ""]).encode()


async def told(peer: Peer) -> tuple[int, str]:
    answer = await peer.answer()
    whole = json.loads(await peer.body(answer))
    return answer.status, whole.get("code", "")


@pytest.mark.parametrize("way", ["length", "chunks"])
@pytest.mark.parametrize(
    ("size", "status"), [(MAX_BODY_BYTES, (201, "")), (MAX_BODY_BYTES + 1, (413, "too_large"))], ids=["most", "over"]
)
async def test_A4_a_body(hub: Running, way: str, size: int, status: tuple[int, str]) -> None:
    async with reach(hub) as peer:
        if way == "length":
            await peer.send(post(f"Content-Length: {size}"), body(size))
        else:
            await peer.send(post("Transfer-Encoding: chunked"), chunked(body(size)))
        assert await told(peer) == status


async def test_A4_a_length_is_enough_to_be_refused(hub: Running) -> None:
    async with reach(hub) as peer:
        await peer.send(post(f"Content-Length: {MAX_BODY_BYTES + 1}"))
        assert await told(peer) == (413, "too_large")


async def test_A4_a_body_that_goes_on_behind_its_refusal_is_cut_off(hub: Running) -> None:
    async with reach(hub) as peer:
        await peer.send(post(f"Content-Length: {100 * MOST_SURPLUS}"))
        assert await told(peer) == (413, "too_large")
        for _ in range(4):
            await peer.send(b" " * (MOST_SURPLUS // 2))
        await peer.end()


@pytest.mark.parametrize(
    ("trailers", "chop"),
    [
        (b"X-Name: a\r\n" * (MOST_LINES + 1), None),
        (b"X-Name: a\r\n" * (MOST_LINES + 1), 100),
        (b"X-Name: " + b"a" * (3 * MOST_OCTETS), 4096),
    ],
    ids=["lines", "lines by 100", "a line"],
)
async def test_A4_what_stands_behind_a_body_is_bounded_as_its_head_is(
    hub: Running, trailers: bytes, chop: int | None
) -> None:
    async with reach(hub) as peer:
        await peer.send(post("Transfer-Encoding: chunked"), b"0\r\n", trailers, chop=chop)
        assert await told(peer) == (431, "too_large")
        await peer.end()


async def test_A4_a_chunk_s_extension_is_bounded(hub: Running) -> None:
    async with reach(hub) as peer:
        await peer.send(post("Transfer-Encoding: chunked"), b"1;a=" + b"b" * (3 * MOST_OCTETS), chop=4096)
        assert await told(peer) == (431, "too_large")
        await peer.end()


async def test_A4_a_target_that_does_not_end_is_bounded(hub: Running) -> None:
    async with reach(hub) as peer:
        await peer.send(b"GET /" + b"a" * (2 * MOST_OCTETS), chop=1024)
        assert await told(peer) == (431, "too_large")
        await peer.end()


def names(count: int) -> str:
    return "&".join(f"n{number}=" for number in range(count))


ASKED = {
    "page": ("page=1000000", "page=1000001"),
    "first page": ("page=1", "page=0"),
    "limit": ("limit=100", "limit=101"),
    "least limit": ("limit=1", "limit=0"),
    "q": ("q=" + "a" * 200, "q=" + "a" * 201),
    "courseId": ("courseId=" + "a" * 255, "courseId=" + "a" * 256),
    "names": (
        "&".join(f"n{n}=" for n in range(MAX_QUERY_NAMES)),
        "&".join(f"n{n}=" for n in range(MAX_QUERY_NAMES + 1)),
    ),
    "bytes": ("n=" + "a" * (MAX_QUERY_BYTES - 2), "n=" + "a" * (MAX_QUERY_BYTES - 1)),
    "digits": ("limit=10", "limit=" + "9" * 4000),
}


@pytest.mark.parametrize(("most", "over"), ASKED.values(), ids=list(ASKED))
async def test_A4_a_query(hub: Running, most: str, over: str) -> None:
    async with hub.http() as http:
        assert (await http.get(f"{API}?{most}")).status_code == 200
        refused = await http.get(f"{API}?{over}")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize("number", ["2147483647", "2147483648", "9" * 10, "9" * 11, "9" * 5000, "1" + "0" * 20_000])
async def test_A4_an_id_is_as_long_as_one_can_be(hub: Running, number: str) -> None:
    async with hub.http(**EXPERT) as http:
        answer = await http.get(f"{API}/{number}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert len(answer.json()["detail"]) < 120


async def test_A4_depth_is_refused_at_the_door(hub: Running) -> None:
    async with reach(hub) as peer:
        octets = deep(MOST_DEPTH + 1)
        await peer.send(post(f"Content-Length: {len(octets)}"), octets)
        assert await told(peer) == (422, "invalid_input")


@pytest.mark.parametrize(("tags", "status"), [(100, 200), (101, 422)])
async def test_A4_tags_of_a_condition(hub: Running, tags: int, status: int) -> None:
    session = await hub.create()
    header = ", ".join(f'"{number}"' for number in range(1, tags + 1))
    answer = await hub.call("PATCH", f"/{session['id']}", {**EXPERT, "If-Match": header}, json={"title": "Another"})
    assert answer.status_code == status, answer.text
