"""Messages out of frames: fragments are put together, and text must be UTF-8."""

from __future__ import annotations

from websockets.frames import Frame, Opcode


class Assembly:
    """The message that a peer is in the middle of; sizes and orders of frames were checked before."""

    __slots__ = ("_parts", "_text")

    def __init__(self) -> None:
        self._parts: bytearray | None = None
        self._text = True

    def add(self, frame: Frame) -> str | bytes | None:
        """The message that `frame` completes, text or binary; None while there is none.

        Raises UnicodeDecodeError.
        """
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
            self._text = frame.opcode is Opcode.TEXT
            if frame.fin:
                return self._whole(frame.data)
            self._parts = bytearray(frame.data)
        elif frame.opcode is Opcode.CONT and self._parts is not None:
            self._parts += frame.data
            if frame.fin:
                whole, self._parts = self._parts, None
                return self._whole(whole)
        return None

    def _whole(self, data: bytes | bytearray | memoryview) -> str | bytes:
        return str(data, "utf-8") if self._text else bytes(data)
