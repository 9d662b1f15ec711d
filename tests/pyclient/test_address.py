"""Where a client finds the hub: what an address may be."""

from __future__ import annotations

import pytest

from hub.client import connect
from hub.client.address import address


@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/ws"),
        ("https://hub.example/", "wss://hub.example/ws"),
        ("https://hub.example/live", "wss://hub.example/live/ws"),
        ("https://hub.example/live/ws", "wss://hub.example/live/ws"),
        ("ws://[::1]:8000", "ws://[::1]:8000/ws"),
        ("wss://hub.example/elsewhere", "wss://hub.example/elsewhere"),
    ],
)
def test_an_address_may_be_the_page_s_or_the_socket_s(url: str, there: str) -> None:
    assert address(url) == there


@pytest.mark.parametrize(
    "url",
    ["", "hub.example", "ftp://hub.example", "ws://", "http://h:99999", "http://a:secret@h", "ws://h/ws?token=secret", "ws://h/#secret"],
)  # fmt: skip
def test_an_address_that_is_none_or_holds_more_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="takes an address like") as refused:
        connect(url)
    assert "secret" not in str(refused.value)
