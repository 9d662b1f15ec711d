"""One document of the web, read beside everything else: bounded in time and size, and from no other place.

No redirect is followed, no proxy that the environment names is asked, and no scheme but http and https is known.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import quote, urlsplit

import httptools

LARGEST = 256 * 1024
"""Octets of an answer with its head; a key set is a few thousand."""


class Document:
    """What is at an address; it raises ValueError for an address that is none."""

    def __init__(self, url: str, seconds: float) -> None:
        """`seconds` is what a whole reading may take: the name, the connection, TLS, and each octet."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("takes an address with http:// or https://")
        self._seconds = seconds
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname.encode("idna").decode()
        self._port = parts.port or (443 if self._tls else 80)
        host = f"[{self._host}]" if ":" in self._host else self._host
        target = quote(parts._replace(scheme="", netloc="", fragment="").geturl() or "/", safe="/?%:@!$&'()*+,;=~-._")
        self._request = (
            f"GET {target} HTTP/1.1\r\nHost: {host if parts.port is None else f'{host}:{parts.port}'}\r\n"
            "Accept: application/json\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
        ).encode()

    async def read(self) -> bytes:
        """Its octets; raises OSError (TimeoutError among them), ValueError, or httptools' HttpParserError."""
        async with asyncio.timeout(self._seconds):
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
            try:
                writer.write(self._request)
                return await _answered(reader)
            finally:
                writer.transport.abort()  # a polite end would wait for the other side


class _Answer:
    """What httptools calls as it reads."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.begun = self.complete = False

    def on_headers_complete(self) -> None:
        self.begun = True

    def on_body(self, octets: bytes) -> None:
        self.body += octets

    def on_message_complete(self) -> None:
        self.complete = True


async def _answered(reader: asyncio.StreamReader) -> bytes:
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    size = 0
    while not answer.complete:
        octets = await reader.read(LARGEST)
        size += len(octets)
        if size > LARGEST:
            raise ValueError(f"the answer is larger than {LARGEST} bytes")
        if not octets:
            break  # without a length, the end of the connection is the end of the body (RFC 9112 §6.3)
        parser.feed_data(octets)
        if answer.begun and parser.get_status_code() != 200:
            raise ValueError(f"the answer is {parser.get_status_code()}, not 200")
    if not answer.begun:
        raise ValueError("the connection ended before the answer began")
    return bytes(answer.body)
