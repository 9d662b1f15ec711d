"""Meetings at rest: AES-256-GCM, the key's id beside the text, the session's id and the field's name bound into it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub import views
from hub.domain.model import Session
from hub.errors import Internal

log = logging.getLogger("hub.sealing")

NONCE_BYTES = 12
URL = "url"
PASSWORD = "password"  # nosec B105  # the name of a field, no password
CONTEXTS = {PASSWORD: "", URL: "/url"}
"""What tells the fields apart. Passwords were there first, and what was sealed then must open."""


class Vault:
    """Seals with one key, opens with any it has. Moved to another session or another field, nothing opens."""

    def __init__(self, key: bytes, accepted: Sequence[bytes] = ()) -> None:
        """Each is 32 random bytes; `accepted` open, and never seal."""
        self._ciphers = {_name(one): AESGCM(one) for one in (*accepted, key)}
        self.key_id = _name(key)
        self._told: set[tuple[int, str]] = set()

    @property
    def key_ids(self) -> list[str]:
        """Of every key it has: what is sealed begins with one and a dot."""
        return list(self._ciphers)

    def seal(self, secret: str, session_id: int, field: str = PASSWORD) -> str:
        """`secret`, readable only with this key, for this session and as this field (URL or PASSWORD)."""
        nonce = os.urandom(NONCE_BYTES)
        context = _context(session_id, self.key_id, field)
        sealed = self._ciphers[self.key_id].encrypt(nonce, secret.encode(), context)
        return f"{self.key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, session_id: int, field: str = PASSWORD) -> str:
        """What was sealed; raises Internal when its key is not here or the text was moved or changed."""
        key_id, _, body = sealed.partition(".")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Internal(f"The meeting {field} was sealed with the key {key_id[:8]!r}, which is not here.")
        try:
            raw = base64.urlsafe_b64decode(body)
            context = _context(session_id, key_id, field)
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise Internal(f"The sealed meeting {field} was changed, or moved from elsewhere.") from None

    def meeting(self, session: Session) -> views.Meeting:
        """Where the session takes place; None for what does not open: a lost key must not keep anyone out of it."""
        url = session.meeting_url
        if url is None:
            url = self._opened(session.sealed_url, session.id, URL)
        return views.Meeting(url=url, password=self._opened(session.sealed_password, session.id, PASSWORD))

    def changes(self, session: Session, secrets: Mapping[str, str | None]) -> dict[str, str | None]:
        """What makes these the session's URL and PASSWORD, by its attributes; one that is so already stays as it is."""
        changes: dict[str, str | None] = {"meeting_url": None} if URL in secrets else {}
        for field, secret in secrets.items():
            before = getattr(session, f"sealed_{field}")
            if secret is None:
                changes[f"sealed_{field}"] = None
            elif self._opened(before, session.id, field) != secret:
                changes[f"sealed_{field}"] = self.seal(secret, session.id, field)
        return changes

    def renew(self, session: Session) -> bool:
        """Seal anew, with this key, what `session` holds; False when some of it does not open, which is left as it is.

        An address in the clear is what a version before wrote last, so it replaces a sealed one.
        """
        if session.meeting_url is not None:
            session.sealed_url = self.seal(session.meeting_url, session.id, URL)
            session.meeting_url = None
        opened = True
        for field in (URL, PASSWORD):
            before = getattr(session, f"sealed_{field}")
            if before is not None and not before.startswith(f"{self.key_id}."):
                try:
                    secret = self.open(before, session.id, field)
                except Internal:
                    opened = False
                else:
                    setattr(session, f"sealed_{field}", self.seal(secret, session.id, field))
        return opened

    def _opened(self, sealed: str | None, session_id: int, field: str) -> str | None:
        if sealed is None:
            return None
        try:
            return self.open(sealed, session_id, field)
        except Internal as error:
            if (session_id, field) not in self._told:
                self._told.add((session_id, field))
                log.error(
                    "session %s goes without its meeting %s: %s Mend HUB_SECRET_KEY, or set the %s anew.",
                    session_id,
                    field,
                    error.message,
                    field,
                )
            return None


def _name(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]


def _context(session_id: int, key_id: str, field: str) -> bytes:
    return f"live_sessions/{session_id}/{key_id}{CONTEXTS[field]}".encode()
