"""Meeting passwords at rest: what a hub with another key than the one they were sealed with still does."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hub.sealing import Vault
from tests.running import EXPERT, Client, running

PASSWORD = "s3cret"


async def test_a_lost_key_hides_passwords_and_keeps_nobody_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as hub:
        session = await hub.create(meetingUrl="https://meet.example/1", meetingPassword=PASSWORD)
        await hub.book(session["id"], "ann")
    unsealed = {"url": "https://meet.example/1", "password": None}
    path = f"/{session['id']}"
    with caplog.at_level(logging.ERROR, "hub"):
        async with running(tmp_path, secret_key=b"o" * 32) as hub:
            for _ in range(2):
                shown = await hub.call("GET", path)
                assert (shown.status_code, shown.json()["data"]["meeting"]) == (200, unsealed)
            async with Client.at(hub, "ann") as ann:
                joined = await ann.ask(type="join", session=session["id"])
                assert (joined["type"], joined["meeting"]) == ("ok", unsealed)
            assert (await hub.call("PATCH", path, EXPERT, json={"meetingPassword": "new"})).status_code == 200
            shown = await hub.call("GET", path)
            assert shown.json()["data"]["meeting"] == unsealed | {"password": "new"}
    (told,) = [record for record in caplog.records if record.name == "hub.sealing"]
    assert told.levelno == logging.ERROR
    assert f"session {session['id']} " in told.getMessage()
    assert "HUB_SECRET_KEY" in told.getMessage()


@pytest.mark.parametrize("sealed", ["", ".", "nonsense", "key.AAAA", "key.é", "key." + "A" * 64])
def test_what_is_no_seal_of_ours_does_not_open(sealed: str) -> None:
    assert Vault(b"k" * 32).password(sealed, 1) is None


def test_a_seal_opens_for_its_own_session_and_no_other() -> None:
    vault = Vault(b"k" * 32)
    sealed = vault.seal(PASSWORD, 1)
    assert (vault.password(sealed, 1), vault.password(sealed, 2), vault.password(None, 1)) == (PASSWORD, None, None)
