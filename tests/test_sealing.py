"""Meetings at rest: what opens where, and what a hub with another key than theirs still does."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub import sealing
from hub.errors import Internal
from hub.sealing import PASSWORD, URL, Vault
from tests.domain.factories import a_session
from tests.running import EXPERT, Client, running

ADDRESS, SECRET = "https://meet.example/1", "s3cret"
OLD, NEW = b"o" * 32, b"n" * 32


async def test_a_lost_key_hides_the_meeting_and_keeps_nobody_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as hub:
        session = await hub.create(meetingUrl=ADDRESS, meetingPassword=SECRET)
        await hub.book(session["id"], "ann")
    unsealed = {"url": None, "password": None}
    path = f"/{session['id']}"
    with caplog.at_level(logging.ERROR, "hub"):
        async with running(tmp_path, secret_key=OLD) as hub:
            for _ in range(2):
                shown = await hub.call("GET", path)
                assert (shown.status_code, shown.json()["data"]["meeting"]) == (200, unsealed)
            async with Client.at(hub, "ann") as ann:
                joined = await ann.ask(type="join", session=session["id"])
                assert (joined["type"], joined["meeting"]) == ("ok", unsealed)
            assert (await hub.call("PATCH", path, EXPERT, json={"meetingPassword": "new"})).status_code == 200
            shown = await hub.call("GET", path)
            assert shown.json()["data"]["meeting"] == unsealed | {"password": "new"}
    told = [record for record in caplog.records if record.name == "hub.sealing"]
    assert [record.levelno for record in told] == [logging.ERROR] * 2
    for record, what in zip(told, ("url", "password"), strict=True):
        assert f"session {session['id']} goes without its meeting {what}" in record.getMessage()
        assert "HUB_SECRET_KEY" in record.getMessage()


async def test_setting_the_meeting_to_what_it_is_already_is_no_edit(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        meeting: dict[str, Any] = {"meetingUrl": ADDRESS, "meetingPassword": SECRET}
        session = await hub.create(**meeting)
        path = f"/{session['id']}"
        same = await hub.call("PATCH", path, EXPERT, json=meeting)
        assert (same.status_code, same.json()["data"]["version"]) == (200, 1)
        other = await hub.call("PATCH", path, EXPERT, json=meeting | {"meetingPassword": "other"})
        assert other.json()["data"]["version"] == 2
        none = await hub.call("PATCH", path, EXPERT, json={"meetingUrl": None})
        assert none.json()["data"]["version"] == 3
        shown = await hub.call("GET", path)
        assert shown.json()["data"]["meeting"] == {"url": None, "password": "other"}


@pytest.mark.parametrize("sealed", ["", ".", "nonsense", "key.AAAA", "key.é", "{id}.", "{id}.AAAA", "{id}.é"])
@pytest.mark.parametrize("field", [URL, PASSWORD])
def test_what_is_no_seal_of_ours_does_not_open(sealed: str, field: str) -> None:
    vault = Vault(NEW)
    with pytest.raises(Internal):
        vault.open(sealed.format(id=vault.key_id), 1, field)


@pytest.mark.parametrize(
    ("session", "field"), [(2, PASSWORD), (1, URL), (2, URL)], ids=["K1-moved to a session", "K1-to a field", "K1-both"]
)
def test_a_seal_opens_for_its_own_session_and_field_and_nowhere_else(session: int, field: str) -> None:
    vault = Vault(NEW)
    sealed = vault.seal(SECRET, 1, PASSWORD)
    assert vault.open(sealed, 1, PASSWORD) == SECRET
    assert SECRET not in sealed
    with pytest.raises(Internal) as told:
        vault.open(sealed, session, field)
    assert SECRET not in told.value.message


def test_an_address_opens_as_a_password_only_where_the_field_is_not_bound_in(monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(NEW)
    with pytest.raises(Internal):
        vault.open(vault.seal(ADDRESS, 1, URL), 1, PASSWORD)
    monkeypatch.setattr(sealing, "CONTEXTS", {URL: "", PASSWORD: ""})
    assert vault.open(vault.seal(ADDRESS, 1, URL), 1, PASSWORD) == ADDRESS


def test_a_changed_octet_anywhere_does_not_open() -> None:
    vault = Vault(NEW)
    key_id, _, body = vault.seal(SECRET, 1).partition(".")
    raw = base64.urlsafe_b64decode(body)
    for index in range(len(raw)):
        changed = raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :]
        with pytest.raises(Internal):
            vault.open(f"{key_id}.{base64.urlsafe_b64encode(changed).decode()}", 1)


def test_what_was_sealed_before_addresses_were_opens_still() -> None:
    vault = Vault(NEW)
    nonce = b"n" * 12
    sealed = AESGCM(NEW).encrypt(nonce, SECRET.encode(), f"live_sessions/1/{vault.key_id}".encode())
    assert vault.open(f"{vault.key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}", 1, PASSWORD) == SECRET


def test_an_accepted_key_opens_and_does_not_seal() -> None:
    before, during, after = Vault(OLD), Vault(NEW, [OLD]), Vault(NEW)
    sealed = before.seal(SECRET, 1)
    assert during.open(sealed, 1) == SECRET
    assert after.open(during.seal(SECRET, 1), 1) == SECRET
    with pytest.raises(Internal, match=before.key_id):
        after.open(sealed, 1)


def test_an_address_in_the_clear_goes_before_a_sealed_one_and_is_sealed_anew() -> None:
    vault = Vault(NEW)
    session = a_session(meeting_url=ADDRESS, sealed_url=vault.seal("https://meet.example/stale", 1, URL), id=1)
    session.sealed_password = vault.seal(SECRET, 1)
    assert vault.meeting(session).url == ADDRESS
    assert vault.changes(session, {URL: ADDRESS}).keys() == {"meeting_url", "sealed_url"}
    assert vault.renew(session)
    assert session.meeting_url is None
    assert (vault.meeting(session).url, vault.meeting(session).password) == (ADDRESS, SECRET)
