"""What one client is told: at once, or what is newest once it has caught up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Protocol

from hub import views
from hub.domain.model import LeaveReason
from hub.frames import Frame
from hub.rooms.listening import Newest
from hub.tally import Deliveries


class Wire(Protocol):
    """What a driver offers; nothing waits."""

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up: False while too much lies unsent."""

    def send(self, frame: Frame) -> None:
        """Send one text message."""

    def hold(self) -> bool:
        """From now on until `release`, what is sent may go out as one; False where that is so already."""

    def release(self) -> None:
        """Let it go out: to be called by whoever was told True."""

    def close(self, code: int, reason: str) -> None:
        """Send what was sent before, then close."""


class Outbox(ABC):
    """The telling side of a connection: rooms deliver, the driver says when the peer can take more."""

    __slots__ = ("_missed", "_told", "_wire", "over")

    def __init__(self, wire: Wire, told: Deliveries) -> None:
        """`told` counts, for all sockets together."""
        self.over = False
        """Whether the socket is gone, or going: nothing more is said."""
        self._wire = wire
        self._told = told
        self._missed: dict[tuple[Hashable, Frame | None], Newest] | None = None
        """By what it is about; and the frame, where it is due for itself and not the newest alone."""

    @abstractmethod
    def visit_closed(self, session_id: int, reason: LeaveReason) -> None:
        """Someone else ended a visit of this connection."""

    def writable_again(self) -> None:
        """The peer caught up: it gets the newest state of what it missed, once each."""
        missed, self._missed = self._missed, None
        for (key, lasting), newest in (missed or {}).items():
            frame = newest(self)
            if frame is None:
                self._told.dropped += 1
            else:
                self.deliver(key, frame, newest, lasting is not None)

    def deliver(self, key: Hashable, frame: Frame, newest: Newest, lasting: bool = False) -> None:
        """Send `frame`; if the peer is slow, what `newest` answers once it caught up, and `frame` too if `lasting`."""
        if self._wire.writable:
            self._wire.send(frame)
            self._told.sent += 1
            return
        missed = self._missed
        if missed is None:
            missed = self._missed = {}
        # In the order of what happened: the newest comes after what lasts.
        if missed.pop((key, None), None) is not None:
            self._told.conflated += 1
        missed[key, frame if lasting else None] = newest

    def forget(self, session_id: int) -> None:
        """The client does not want to hear of this session any more, not even what it missed."""
        if self._missed is not None:
            self._missed = {key: newest for key, newest in self._missed.items() if key[0] != ("session", session_id)}

    def give_up(self) -> None:
        """Nothing more will be told, not even what was missed."""
        if self._missed is not None:
            self._told.dropped += len(self._missed)
            self._missed = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let what is sent meanwhile go out as one."""
        holding = self._wire.hold()
        try:
            yield
        finally:
            if holding:
                self._wire.release()

    def send(self, message: views.View) -> None:
        """Send a message to this client alone."""
        if not self.over:
            self._wire.send(Frame.of(message))
