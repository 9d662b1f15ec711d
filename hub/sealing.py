"""Meeting passwords at rest: AES-256-GCM, with the key's id beside it and the session's id bound into it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import Internal

log = logging.getLogger("hub.sealing")

NONCE_BYTES = 12


class Vault:
    """Seals and opens with one key. A sealed text moved to another session does not open."""

    def __init__(self, key: bytes) -> None:
        """`key` is 32 random bytes."""
        self._cipher = AESGCM(key)
        self._key_id = hashlib.sha256(key).hexdigest()[:8]
        self._told: set[int] = set()

    def seal(self, secret: str, session_id: int) -> str:
        """`secret`, readable only with this key and for this session."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), self._context(session_id))
        return f"{self._key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, session_id: int) -> str:
        """What was sealed; raises Internal when the key is another or the text was moved or changed."""
        key_id, _, body = sealed.partition(".")
        try:
            raw = base64.urlsafe_b64decode(body)
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], self._context(session_id)).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise Internal(
                f"The meeting password was sealed with the key {key_id!r}, which is not this one."
            ) from error

    def password(self, sealed: str | None, session_id: int) -> str | None:
        """What was sealed, or None where it does not open: a lost key must not keep anyone out of a session."""
        if sealed is None:
            return None
        try:
            return self.open(sealed, session_id)
        except Internal as error:
            if session_id not in self._told:
                self._told.add(session_id)
                log.error(
                    "session %s goes without its meeting password: %s Mend HUB_SECRET_KEY, or set the password anew.",
                    session_id,
                    error.message,
                )
            return None

    def _context(self, session_id: int) -> bytes:
        return f"live_sessions/{session_id}/{self._key_id}".encode()
