"""Opening handshakes as octets (RFC 6455 §4), and the answers to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The sample of RFC 6455 §1.3."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """A request; as it is, a right handshake. `{host}` is where the hub listens."""

    line: str = "GET /ws HTTP/1.1"
    headers: Headers = (
        ("Host", "{host}"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    )
    body: bytes = b""

    def but(self, name: str, *values: str) -> Request:
        """The same with these values of a header, each in a line of its own; without one it is left out."""
        others = tuple(header for header in self.headers if header[0].lower() != name.lower())
        return replace(self, headers=others + tuple((name, value) for value in values))

    def octets(self, host: str) -> bytes:
        """As it is sent."""
        lines = [self.line, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).replace("{host}", host).encode("latin-1") + self.body


@dataclass(frozen=True)
class Answer:
    """The head of an HTTP answer, its names in lower case."""

    status: int
    headers: Headers

    @classmethod
    def of(cls, head: bytes) -> Answer:
        """Read a head without its last empty line."""
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, _phrase = first.split(" ", 2)
        assert version == "HTTP/1.1", first
        pairs = (line.split(":", 1) for line in lines)
        return cls(int(status), tuple((name.lower(), value.strip()) for name, value in pairs))

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for other, value in self.headers if other == name]
