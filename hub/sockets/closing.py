"""Why a socket is closed, as one table: the code, the reason, and whether to come back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Close:
    """A close code (RFC 6455 §7.4), its reason (123 bytes at most), and whether the client should come back."""

    code: int
    reason: str
    come_back: bool


RESTART = Close(1012, "the hub restarts: come back", True)
TOO_LARGE = Close(1009, "the message is too large", False)
NOT_OUR_PROTOCOL = Close(4400, "not this hub's protocol: send text frames, one JSON object each", False)
SENT_AWAY = Close(4403, "sent away", False)
TOO_SLOW = Close(4008, "too slow: come back for a fresh snapshot", True)
TOKEN_ENDED = Close(4401, "the token ended or was refused: come back with a new one", True)
TOO_MUCH = Close(4429, "too much: come back after a pause", True)

ALL = (RESTART, TOO_LARGE, NOT_OUR_PROTOCOL, SENT_AWAY, TOO_SLOW, TOKEN_ENDED, TOO_MUCH)
