"""Ways to a server: a password, a Unix socket, a TLS certificate; and what a wrong one looks like."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hub.bus.redis import RedisBus
from hub.errors import Unavailable
from tests.bus.listening import NEVER, a_change, at, two, until
from tests.processes import folder
from tests.servers import RedisServer

WORD = "canary/of@the:password"
QUOTED = "canary%2Fof%40the%3Apassword"


async def test_a_password_and_a_name(caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer(own=True) as server:
        server.ask("ACL SETUSER", "ann", "on", f">{WORD}", "resetchannels", "&hub:1:*", "-@all", "+@pubsub")
        server.ask("CONFIG SET", "requirepass", "another")
        async with two(f"redis://ann:{QUOTED}@{server.host}:{server.port}") as (here, there, _, _):
            await there.bus.follow([1])
            here.bus.publish(a_change())
            await there.until(1)
        assert caplog.records == []

        stranger = RedisBus(f"redis://:{QUOTED}@{server.host}:{server.port}")
        async with at(stranger):
            await until(lambda: len(caplog.records) == 1, "the refusal")
            with pytest.raises(Unavailable):
                await stranger.answers()
    assert "invalid username-password pair" in caplog.text
    assert "canary" not in caplog.text


async def test_a_unix_socket() -> None:
    with folder("socket") as home:
        path = home / "s"
        with RedisServer("--unixsocket", str(path), "--unixsocketperm", "777", own=True):
            async with two(f"unix://{path}?db=3") as (here, there, _, _):
                await there.bus.follow([1])
                here.bus.publish(a_change())
                await there.until(1)


def certificate(home: Path) -> Path:
    """One for 127.0.0.1, signed by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = home / "certificate"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return file


@asynccontextmanager
async def secured(server: RedisServer, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of something that speaks TLS and passes all on to `server`, which may be built without."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while some := await reader.read(65_536):
                writer.write(some)
        except OSError:
            pass
        finally:
            writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(server.host, server.port)
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))

    async with await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_a_certificate_that_is_checked_unless_that_is_off(
    tmp_path: Path, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    shown = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown)
    async with secured(redis_server, context) as port:
        url = f"rediss://127.0.0.1:{port}/99"
        for options in (f"?ssl_ca_certs={shown}", "?ssl_cert_reqs=none"):
            async with two(url + options) as (here, there, _, _):
                await there.bus.follow([1])
                here.bus.publish(a_change())
                await there.until(1)
        assert [record for record in caplog.records if record.name == "hub.bus"] == []

        async with at(RedisBus(url)):
            await until(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text, "the refusal")


async def test_what_is_no_redis_is_told_and_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"+Who is there?\r\n")
        writer.close()

    caplog.set_level(logging.WARNING)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as stranger:
        host, port = stranger.sockets[0].getsockname()
        for scheme in ("redis", "redis+cluster"):
            bus = RedisBus(f"{scheme}://{host}:{port}")
            async with at(bus):
                bus.publish(a_change())
                await asyncio.sleep(NEVER)
                assert not bus.healthy
    assert "this is no Redis" in caplog.text
    assert "finding the Redis servers does not work now" in caplog.text
