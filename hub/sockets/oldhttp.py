"""Answers to HTTP/1.0, which knows no chunks (RFC 9112 §6.1): uvicorn sends them whoever asks."""

from __future__ import annotations

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def without_chunks(cycle: RequestResponseCycle) -> None:
    """Let an answer that does not say how long it is end with its connection (RFC 9112 §6.3)."""
    send = cycle.send
    endless = False

    async def send_whole(message: ASGISendEvent) -> None:
        nonlocal endless
        if message["type"] == "http.response.start":
            endless = all(name != b"content-length" for name, _ in message.get("headers", ()))
            if endless:
                cycle.chunked_encoding = cycle.keep_alive = False
        elif endless and message["type"] == "http.response.body":
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.send = send_whole  # type: ignore[method-assign]  # what it counts by is set where it answers, and nowhere else
