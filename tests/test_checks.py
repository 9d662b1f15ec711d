"""`hub check` against what really is wrong: each finding with its light, what it says, and how to mend it."""

from __future__ import annotations

import base64
import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import checks
from hub.checks import database, machine
from hub.checks.finding import (
    BUS,
    CLOCK,
    DATABASE,
    DESCRIPTORS,
    DISK,
    KEYS,
    MEETINGS,
    MEMORY,
    SECRETS,
    SETTINGS,
    SQLITE,
    WORKERS,
    Finding,
)
from hub.settings import from_environment
from hub.store import condition
from tests.issuer import EC, NEW, OLD, RSA, Issuer, issuing, jwk, key_set
from tests.looking import about, look
from tests.running import SECRET_KEY, free_port, now, running
from tests.tables import change

# Settings and secrets.


async def test_every_wrong_setting_is_named_at_once_with_what_it_takes(tmp_path: Path) -> None:
    wrong = {"HUB_PORT": "http", "HUB_WORKERS": "0", "HUB_LOG_FORMAT": "xml", "HUB_JWT_SECRET": "s3cret"}
    found = await look(tmp_path / "hub.db", wrong, HUB_JWT_JWKS_URL="ftp://id", HUB_SECRET_KEY="")
    lines = about(found, SETTINGS, "red").splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "HUB_PORT", "HUB_WORKERS", "HUB_JWT_SECRET", "HUB_JWT_JWKS_URL", "HUB_LOG_FORMAT",
        "HUB_JWT_SECRET and HUB_JWT_JWKS_URL", "HUB_SECRET_KEY",
    ]  # fmt: skip
    assert "takes a whole number from 0 to 65535, not 'http'" in lines[0]
    assert about(found, DATABASE).startswith("green")  # what is right is looked at all the same


async def test_what_rests_on_a_wrong_setting_is_not_looked_at(tmp_path: Path) -> None:
    found = await look("mysql://hub:s3cret@db/hub", HUB_REDIS_URL="redis://127.0.0.1:1")
    assert {one.about for one in found} & {DATABASE, BUS} == set()
    assert about(found, SETTINGS).count("\n") == 0


async def test_a_name_that_is_no_setting_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    found = await look(tmp_path / "hub.db", HUB_RATELIMIT="5", HUB_COLOUR="red", PORT="1", HUB_PORT="2")
    said = about(found, SETTINGS, "yellow")
    assert "HUB_RATELIMIT is no setting, and does nothing: write HUB_RATE_LIMIT" in said
    assert "HUB_COLOUR is no setting" in said
    assert "HUB_PORT counts" in said


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("HUB_JWT_SECRET", "a" * 40, "HUB_JWT_SECRET looks like one that can be guessed: make one"),
        ("HUB_JWT_SECRET", "my-very-long-secret-for-production-1", "HUB_JWT_SECRET looks like"),
        ("HUB_SECRET_KEY", base64.b64encode(b"k" * 32).decode(), "HUB_SECRET_KEY does not look random: make one"),
        ("HUB_SECRET_KEYS_ACCEPTED", base64.b64encode(b"ab" * 16).decode(), "HUB_SECRET_KEYS_ACCEPTED does not"),
    ],
)
async def test_a_secret_that_can_be_guessed_is_yellow(tmp_path: Path, variable: str, value: str, said: str) -> None:
    assert said in about(await look(tmp_path / "hub.db", {variable: value}), SECRETS, "yellow")


async def test_good_settings_and_random_secrets_are_green(tmp_path: Path) -> None:
    found = await look(tmp_path / "hub.db")
    assert about(found, SETTINGS) == "green  settings: complete"
    assert about(found, SECRETS).startswith("green")
    assert [one for one in found if one.light == "red"] == []


# Addresses.


async def test_a_port_that_someone_listens_on_is_yellow_for_a_hub_may_be_running_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for variable, other in (("HUB_PORT", "HUB_METRICS_PORT"), ("HUB_METRICS_PORT", "HUB_PORT")):
            found = await look(tmp_path / "hub.db", {variable: port, other: str(free_port())})
            assert about(found, SETTINGS, "yellow").startswith(
                f"yellow settings: {variable}: 127.0.0.1:{port} can't be listened on: Address already in use: it is "
            )


async def test_a_host_that_is_none_of_this_machine_is_red(tmp_path: Path) -> None:
    wrong = {"HUB_HOST": "no.such.host.invalid", "HUB_METRICS_HOST": "192.0.2.1", "HUB_METRICS_PORT": "9100"}
    lines = about(await look(tmp_path / "hub.db", wrong), SETTINGS, "red").splitlines()
    assert lines[0].startswith("red    settings: HUB_PORT: no.such.host.invalid:0 can't be listened on: ")
    assert lines[0].endswith(": correct HUB_HOST")
    assert lines[1].startswith("red    settings: HUB_METRICS_PORT: 192.0.2.1:9100 can't be listened on: ")
    assert lines[1].endswith(": correct HUB_METRICS_HOST")


async def test_figures_at_the_port_of_the_public_are_red(tmp_path: Path) -> None:
    found = await look(tmp_path / "hub.db", HUB_METRICS_PORT="8000", HUB_PORT="8000")
    assert about(found, SETTINGS).startswith("red    settings: HUB_METRICS_PORT: takes ")


# SQLite.


@pytest.mark.parametrize("name", ["a#b.db", "a?mode=rwc.db", "a%41.db"])
async def test_a_file_is_looked_at_by_its_very_name(tmp_path: Path, name: str) -> None:
    with sqlite3.connect(tmp_path / name) as connection:
        connection.execute("CREATE TABLE something (id)")
    connection.close()
    found = condition._of_file(tmp_path / name, None)
    assert (found.fault, found.revision, found.intact) == (None, None, True)
    assert os.listdir(tmp_path) == [name]


async def test_a_look_at_a_file_leaves_nothing_beside_it_whether_a_hub_runs_or_not(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        before = sorted(os.listdir(tmp_path))
        found = await look(tmp_path / "hub.db")
        assert sorted(os.listdir(tmp_path)) == before
        assert about(found, DATABASE) == f"green  database: {hub.where} is intact and up to date"
    before = sorted(os.listdir(tmp_path))
    assert "hub.db-wal" not in before
    assert "is intact and up to date" in about(await look(tmp_path / "hub.db"), DATABASE, "green")
    assert sorted(os.listdir(tmp_path)) == before


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A database that a hub made and closed."""
    async with running(tmp_path):
        return tmp_path / "hub.db"


async def test_a_file_that_is_not_in_wal_mode_or_behind_is_yellow(file: Path) -> None:
    change(file, "PRAGMA journal_mode=DELETE")
    assert "not in WAL mode: start the hub" in about(await look(file), DATABASE, "yellow")
    change(file, "DELETE FROM alembic_version")
    assert "run `hub migrate`" in about(await look(file), DATABASE, "yellow")
    change(file, "INSERT INTO alembic_version VALUES ('9999')")
    assert "only a newer hub knows: run that" in about(await look(file), DATABASE, "red")


def damage(file: Path) -> None:
    """Overwrite a page."""
    content = bytearray(file.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    file.write_bytes(bytes(content))


async def test_a_damaged_file_is_red(file: Path) -> None:
    damage(file)
    assert "restore it from a backup" in about(await look(file), DATABASE, "red")


async def test_a_file_too_large_to_be_read_through_is_said_to_be(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.store.condition.READ_SECONDS", -1.0)
    monkeypatch.setattr("hub.store.condition.STEPS", 1)
    assert "too large to be read through" in about(await look(file), DATABASE, "green")


async def test_a_folder_that_is_somebody_else_s_is_red(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # root may write anywhere
    assert "give both to the user that runs the hub" in about(await look(file), DATABASE, "red")


async def test_a_clock_that_went_back_is_yellow_and_one_before_this_program_is_red(tmp_path: Path) -> None:
    async with running(tmp_path):
        assert about(await look(tmp_path / "hub.db"), CLOCK) == ""
        assert "which is yet to come: set this machine's clock" in about(
            await look(tmp_path / "hub.db", skew=-60), CLOCK, "yellow"
        )
        assert "by NTP" in about(await look(tmp_path / "hub.db", skew=-(10**9)), CLOCK, "red")


async def test_meetings_that_wait_for_reseal_or_that_no_key_opens_are_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        sealed = [await hub.create(meetingUrl="https://meet.example/s3cret") for _ in range(3)]
        old = base64.b64encode(SECRET_KEY).decode()
        assert "all sealed" in about(await look(tmp_path / "hub.db", HUB_SECRET_KEY=old), MEETINGS, "green")
        said = about(await look(tmp_path / "hub.db", HUB_SECRET_KEYS_ACCEPTED=old), MEETINGS, "yellow")
        assert "3 sessions are not sealed with HUB_SECRET_KEY: run `hub reseal`" in said
        lost = about(await look(tmp_path / "hub.db"), MEETINGS, "red")
        assert "3 sessions hold something that no key here opens, 3 of them not over: add the old key" in lost
        for one in sealed:
            await hub.call("DELETE", f"/{one['id']}")
        assert "no key here opens, 0 of them" in about(await look(tmp_path / "hub.db"), MEETINGS, "yellow")


MOUNTED = """22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 0:5 / /srv/shared\\040files rw shared:1 - nfs4 files:/hub rw
24 22 0:6 / /dev/shm rw - tmpfs tmpfs rw"""


@pytest.mark.parametrize(
    ("folder", "free", "said"),
    [
        ("/var/lib", 5e9, "green  disk: 5.0 GB free"),
        ("/var/lib", 5e8, "yellow disk: 0.5 GB free: make room before"),
        ("/var/lib", 5e7, "red    disk: 0.1 GB free: make room: without it"),
        ("/srv/shared files/hub", 5e9, "red    disk: the database lies on a file system of the network (nfs4)"),
        ("/srv/shared", 5e9, "green  disk"),
        ("/dev/shm/hub", 5e9, "yellow disk: 5.0 GB free, but in memory, and gone with the machine: put the database"),
    ],
)
def test_a_disk_is_judged_by_its_room_and_its_kind(folder: str, free: float, said: str) -> None:
    assert str(database.place(database.kind_of(Path(folder), MOUNTED), int(free))).startswith(said)


async def test_the_library_and_the_disk_are_looked_at(file: Path) -> None:
    found = await look(file)
    assert about(found, SQLITE)
    assert "GB free" in about(found, DISK)


# Keys of tokens.


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Who gives out keys."""
    with issuing() as listening:
        yield listening


async def keys_of(issuer: Issuer, folder: Path) -> str:
    """What is said of its keys."""
    return about(await look(folder / "hub.db", HUB_JWT_SECRET="", HUB_JWT_JWKS_URL=issuer.url), KEYS)


async def test_keys_are_named_by_algorithm_and_kid(tmp_path: Path, issuer: Issuer) -> None:
    issuer.says = key_set(old=OLD, main=RSA, curve=EC)
    said = await keys_of(issuer, tmp_path)
    assert said.startswith("green  token keys: 3 read in ")
    assert said.endswith("(EdDSA old, RS256 main, ES256 curve)")


@pytest.mark.parametrize(
    ("status", "says", "why"),
    [
        (500, b"", "the answer is 500, not 200"),
        (302, b"", "the answer is 302, not 200"),
        (200, b"<html>Sign in</html>", "what it says is no JSON"),
        (200, b"\xff\xfe", "what it says is no JSON"),
        (200, b"[]", "it is no JWK set"),
        (200, b'{"keys": []}', "it holds no key for RS256, ES256, EdDSA"),
        (200, b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "it holds no key for"),
    ],
)
async def test_an_issuer_without_keys_is_red(
    tmp_path: Path, issuer: Issuer, status: int, says: bytes, why: str
) -> None:
    issuer.status, issuer.says = status, says
    said = await keys_of(issuer, tmp_path)
    assert said.startswith(f"red    token keys: HUB_JWT_JWKS_URL gives none: {why}")
    assert said.endswith("mend the issuer or the address: without keys nobody can sign in")


async def test_an_issuer_that_is_slow_or_away_is_told(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.checks.keys.SLOW_SECONDS", 0.0)
    assert "which is slow" in await keys_of(issuer, tmp_path)
    monkeypatch.setattr(checks, "JWKS_SECONDS", 0.2)
    issuer.open.clear()
    assert "no answer within 0.2 s" in await keys_of(issuer, tmp_path)


async def test_keys_of_no_use_are_named_by_their_place(tmp_path: Path, issuer: Issuer) -> None:
    sealing = jwk(RSA, kid="sealing", use="enc")
    issuer.says = json.dumps({"keys": [sealing, jwk(OLD, kid="a"), jwk(NEW, kid="a")]}).encode()
    said = await keys_of(issuer, tmp_path)
    assert said.startswith("yellow token keys: 1 read in ")
    assert "of no use are /keys/0: it is for something else than signatures" in said
    assert "/keys/2: one before it has the same `kid`" in said


# This machine.


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (machine.descriptors(5_000, 4_096), "red    file descriptors: 4096 a process, with 96 for itself, and"),
        (machine.descriptors(4_000, 4_096), "green  file descriptors: 4096 a process, enough for 4000"),
        (machine.descriptors(4_001, 4_096), "red    file descriptors"),
        (machine.descriptors(None, 256), "yellow file descriptors: 256 a process: it takes 160 sockets, and"),
        (machine.descriptors(100, 256), "green  file descriptors"),
        (machine.workers(4, 2), "yellow workers: 4 processes on 2 cores take turns: set HUB_WORKERS to 2 or less"),
        (machine.workers(2, 2), "green  workers: 2 of 2 cores"),
        (machine.enough_memory(100_000, 2, 2**30), "yellow memory: 200000 sockets take up to 2.4 GiB, of 1.0 GiB: set"),
        (machine.enough_memory(10_000, 2, 2**30), "green  memory"),
    ],
)  # fmt: skip
def test_the_machine_is_judged_by_what_the_processes_need(finding: Finding, said: str) -> None:
    assert str(finding).startswith(said)


def test_what_is_said_of_memory_can_be_done() -> None:
    mend = machine.enough_memory(100_000, 2, 2**30).mend
    fits = int(mend.split("to ")[1].split()[0])
    assert machine.enough_memory(fits, 2, 2**30).light == "green"


async def test_this_machine_is_looked_at(tmp_path: Path) -> None:
    found = await look(tmp_path / "hub.db", HUB_MAX_CONNECTIONS="9000000")
    assert about(found, DESCRIPTORS, "red")
    assert about(found, WORKERS)
    assert about(found, MEMORY)


async def test_one_finding_is_one_line_whatever_the_server_says() -> None:
    found = await look(f"postgresql://hub@127.0.0.1:{free_port()}/hub")
    (one,) = [one for one in found if one.about == DATABASE]
    assert (one.light, str(one).isprintable()) == ("red", True)
    said = condition.Condition("db", fault="it failed: no\n\tIs it\x1b[2J running?")
    (told,) = database.findings(from_environment({}), said, now())
    assert "it failed: no Is it\\x1b[2J running?: start" in str(told)
