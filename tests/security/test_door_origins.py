"""W1: whose pages may open a socket, by the letter; everyone else is answered before anything of the hub runs."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from hub.sockets.door import by_name
from tests.rfc6455.conftest import DRIVERS
from tests.rfc6455.frames import TEXT, frame
from tests.rfc6455.raw import HANDSHAKE, reach
from tests.rfc6455.upgrades import Request
from tests.running import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")
figures = logging.getLogger("figures")

ALLOWED = frozenset(
    {"https://learn.example", "http://learn.example:8080", "https://xn--bcher-kva.example", "http://[::1]:8080"}
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(DRIVERS))
async def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A hub that lets in pages of ALLOWED beside its own."""
    folder = tmp_path_factory.mktemp("guarded")
    async with running(folder, allowed_origins=ALLOWED, serving_as=DRIVERS[request.param]) as listening:
        yield listening


def by(*origins: str, host: str = "{host}", **more: str) -> Request:
    """A handshake of a page of this origin (several: in as many lines) at this host, with more headers."""
    asked = HANDSHAKE.but("Host", host).but("Origin", *origins)
    for name, value in more.items():
        asked = asked.but(name.replace("_", "-"), value)
    return asked


@dataclass(frozen=True)
class Said:
    """What a handshake was answered."""

    status: int
    code: str


async def answered(hub: Running, asked: Request) -> Said:
    """The answer to a handshake, with a message right behind it, which nobody may read when it was refused."""
    async with reach(hub) as peer:
        host = f"127.0.0.1:{hub.port}"
        await peer.send(asked.octets(host), frame(TEXT, b'{"type": "watch", "id": 1, "catalog": true}'))
        answer = await peer.answer()
        if answer.status == 101:
            return Said(101, (await peer.message())["type"])
        body = await peer.body(answer)
        await peer.end()
    kind = answer.all("content-type")[0]
    return Said(answer.status, json.loads(body)["code"] if kind == "application/problem+json" else "")


FOREIGN = [
    "null",
    "",
    "*",
    "https://evil.example",
    "https://learn.example.evil.example",
    "https://evil.example/learn.example",
    "https://evil.example/https://learn.example",
    "https://evil.example?https://learn.example",
    "https://evil.example#https://learn.example",
    "https://evillearn.example",
    "https://sub.learn.example",
    "https://*.learn.example",
    "https://example",
    "https://learn.exampl",
    "https://learn.example:443",
    "https://learn.example:8080",
    "https://learn.example:8443",
    "https://learn.example:",
    "http://learn.example",
    "http://learn.example:80",
    "http://learn.example:80800",
    "wss://learn.example",
    "HTTPS://LEARN.EXAMPLE",
    "https://Learn.example",
    "https://learn.example.",
    "https://learn.example/",
    "https://learn.example/path",
    "https://learn.example?",
    "https://learn.example#",
    "https://learn.example%00",
    "https://learn%2Eexample",
    "https://learn.example;evil.example",
    "https://learn.example\\.evil.example",
    "https://user@learn.example",
    "https://user:word@learn.example",
    "https://learn.example@evil.example",
    "https://learn.example:443@evil.example",
    "https://learn.example https://evil.example",
    "https://evil.example https://learn.example",
    "https://learn.example, https://evil.example",
    "https://learn.example,https://learn.example",
    "https:/learn.example",
    "//learn.example",
    "learn.example",
    "https://b\u00fccher.example",
    "https://xn--bcher-kva.example.evil.example",
    "https://xn--bcher-kv.example",
    "http://[::1]",
    "http://[::1]:80800",
    "http://[0:0:0:0:0:0:0:1]:8080",
    "http://::1:8080",
    "https://{host}",
    "HTTP://{host}",
    "ws://{host}",
    "http://{host}.evil.example",
    "http://{host}/",
    "http://user@{host}",
    "http://127.0.0.1",
    "http://127.0.0.1:80",
    "http://127.1",
    "http://2130706433",
    "http://localhost",
    "http://[::ffff:127.0.0.1]",
    "file://",
    "data:text/html,x",
    "about:blank",
    "chrome-extension://abcdefghijklmnop",
]


async def test_W1_pages_of_no_other_origin_open_a_socket_and_nothing_of_the_hub_runs(
    guarded: Running, caplog: pytest.LogCaptureFixture
) -> None:
    assert guarded.hub is not None
    answers = {origin: await answered(guarded, by(origin)) for origin in FOREIGN}
    assert {origin: said for origin, said in answers.items() if said != Said(403, "forbidden")} == {}
    assert not guarded.hub.lobby.connections
    assert guarded.hub.lobby.total.here(None) == guarded.hub.lobby.addresses.here("127.0.0.1") == 0
    assert not [record for record in caplog.records if record.name.startswith("hub") and record.name != "hub.audit"]
    figures.info("%d foreign origins, 0 accepted", len(FOREIGN))


async def test_W1_it_is_the_list_that_refuses_them(guarded: Running) -> None:
    """The negative control: with these very origins allowed, each of them is let in."""
    assert guarded.hub is not None
    lobby = guarded.hub.lobby
    here = f"127.0.0.1:{guarded.port}"
    lobby.allowed_origins = frozenset(origin.replace("{host}", here) for origin in FOREIGN)
    try:
        assert {(await answered(guarded, by(origin))).status for origin in FOREIGN} == {101}
    finally:
        lobby.allowed_origins = ALLOWED


SEVERAL = [
    ("https://learn.example", "https://evil.example"),
    ("https://evil.example", "https://learn.example"),
    ("https://evil.example", "http://{host}"),
    ("https://learn.example", "https://learn.example"),
    ("null", "https://learn.example"),
]


@pytest.mark.parametrize("origins", SEVERAL, ids=" then ".join)
async def test_W1_a_page_has_one_origin(guarded: Running, origins: tuple[str, ...]) -> None:
    assert (await answered(guarded, by(*origins))).status in (400, 403)


async def test_W1_two_lines_of_origins_that_a_server_lets_through_are_no_allowed_one() -> None:
    for first, second in SEVERAL:
        assert by_name([("origin", first), ("host", "hub"), ("origin", second)])["origin"] == f"{first}, {second}"


OWN = [
    pytest.param(by(), id="no origin"),
    pytest.param(by("http://{host}"), id="its own"),
    pytest.param(by("http://hub.example", host="hub.example"), id="its own by name"),
    pytest.param(by("http://hub.example:8000", host="hub.example:8000"), id="its own by name and port"),
    pytest.param(by("http://[::1]:8000", host="[::1]:8000"), id="its own by an IPv6 address"),
    pytest.param(by("https://hub.example", host="hub.example", X_Forwarded_Proto="https"), id="its own behind TLS"),
    pytest.param(by("  https://learn.example\t"), id="an allowed one, with blanks around"),
    *(pytest.param(by(origin), id=origin) for origin in sorted(ALLOWED)),
]


@pytest.mark.parametrize("asked", OWN)
async def test_W1_pages_of_its_own_and_of_allowed_origins_do(guarded: Running, asked: Request) -> None:
    assert await answered(guarded, asked) == Said(101, "welcome")


EVIL = "https://evil.example"
SPOOFED = [
    pytest.param(by(EVIL, X_Forwarded_Host="evil.example", X_Forwarded_Proto="https"), id="X-Forwarded-Host"),
    pytest.param(by(EVIL, Forwarded="host=evil.example;proto=https"), id="Forwarded"),
    pytest.param(by(EVIL, X_Original_Host="evil.example", X_Forwarded_Proto="https"), id="X-Original-Host"),
    pytest.param(by(EVIL, X_Forwarded_Server="evil.example", X_Forwarded_Proto="https"), id="X-Forwarded-Server"),
    pytest.param(by(EVIL, X_Forwarded_For="evil.example", X_Forwarded_Proto="https"), id="X-Forwarded-For"),
    pytest.param(by(EVIL, X_Forwarded_Proto="https://evil.example/"), id="X-Forwarded-Proto"),
    pytest.param(by("https://hub.example", host="hub.example", X_Forwarded_Proto="http"), id="another scheme"),
    pytest.param(by("http://evil.example", host="evil.example:8000"), id="another port of the host"),
    pytest.param(by("http://HUB.example", host="hub.example"), id="letters in upper case"),
    pytest.param(by("http://hub.example:80", host="hub.example"), id="the default port, which no browser names"),
    pytest.param(by(EVIL, Sec_WebSocket_Origin="https://learn.example"), id="Sec-WebSocket-Origin"),
    pytest.param(by(EVIL, Referer="https://learn.example/"), id="Referer"),
    pytest.param(by(EVIL, Sec_Fetch_Site="same-origin"), id="Sec-Fetch-Site"),
    pytest.param(by(EVIL, Access_Control_Allow_Origin="*"), id="Access-Control-Allow-Origin"),
]


@pytest.mark.parametrize("asked", SPOOFED)
async def test_W1_no_other_header_makes_an_origin_the_hubs_own(guarded: Running, asked: Request) -> None:
    assert await answered(guarded, asked) == Said(403, "forbidden")


@pytest.mark.parametrize("host", ["hub.example@evil.example", "evil.example/"])
async def test_W1_a_host_that_names_no_server_makes_none_either(guarded: Running, host: str) -> None:
    """Where the entrance is ours such a head is refused before anyone looks at its origin."""
    said = await answered(guarded, by("http://evil.example", host=host))
    assert said in (Said(400, "invalid_input"), Said(403, "forbidden"))


async def test_W1_a_page_whose_name_was_bent_to_the_hub_is_a_stranger_like_any_other(guarded: Running) -> None:
    """DNS rebinding: its own origin as far as anyone can tell, but no token of anybody lies there, and no cookie."""
    session = await guarded.create(meetingUrl="https://meet.example/canary")
    async with reach(guarded) as peer:
        answer = await peer.ask(by("http://evil.example", host="evil.example", Cookie="token=x; session=y"))
        assert (answer.status, answer.all("set-cookie")) == (101, [])
        assert (await peer.message())["type"] == "welcome"
        for kind, code in (("join", "unauthenticated"), ("roster", "forbidden")):
            await peer.send(frame(TEXT, json.dumps({"type": kind, "id": 1, "session": session["id"]}).encode()))
            assert (await peer.message())["code"] == code
