"""Questions to a database leave their connection for the next, which never gets one that is of no use."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.processes import PATIENCE, until
from tests.servers import PostgresServer
from tests.tables import ask, change, tables

PID = "SELECT pg_backend_pid()"
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
ALL_OF_IT = "SELECT count(*) FROM pg_stat_activity WHERE datname = ?"


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database that is empty."""
    made = postgres_server.database()
    yield made
    postgres_server.drop(made)


def test_a_question_is_asked_on_the_connection_of_the_one_before(url: str) -> None:
    first = ask(url, PID)
    change(url, "CREATE TABLE kept (id int)")
    assert ask(url, PID) == first
    with tables(url) as other:
        assert other.execute(PID).fetchone() != (first[0],)


def test_a_connection_that_was_ended_is_not_asked_again(url: str) -> None:
    (first,) = ask(url, PID)
    with tables(url) as other:
        other.execute("SELECT pg_terminate_backend(?, 5000)", [first])
    assert ask(url, PID) != [first]


def test_a_question_that_fails_takes_its_connection_along_and_the_next_is_answered(url: str) -> None:
    (first,) = ask(url, PID)
    with pytest.raises(psycopg.errors.UndefinedTable):
        ask(url, "SELECT 1 FROM nothing")
    assert ask(url, PID) != [first]


def test_a_column_that_changes_its_type_is_read_as_what_it_is(url: str) -> None:
    change(url, "CREATE TABLE kept AS SELECT 7 AS id")
    assert [ask(url, "SELECT * FROM kept") for _ in range(10)] == [[7]] * 10
    change(url, "ALTER TABLE kept ALTER COLUMN id TYPE text")
    assert ask(url, "SELECT * FROM kept") == ["7"]


def test_those_who_ask_at_once_have_a_connection_each(url: str) -> None:
    with ThreadPoolExecutor(1) as thread, tables(url) as other:
        other.execute("SELECT pg_advisory_lock(7)")
        held = thread.submit(ask, url, "SELECT pg_backend_pid(), pg_advisory_xact_lock(7)")
        until(lambda: ask(url, WAITING) == [1], "the other question")
        second = ask(url, PID)
        other.execute("SELECT pg_advisory_unlock(7)")
        assert [held.result(PATIENCE)[0][0]] != second


def test_what_is_copied_or_dropped_is_kept_open_by_nobody(postgres_server: PostgresServer, url: str) -> None:
    change(url, "CREATE TABLE kept AS SELECT 7 AS id")
    copy = postgres_server.database(url)
    assert ask(copy, "SELECT id FROM kept") == ask(url, "SELECT id FROM kept")
    postgres_server.drop(copy)
    assert ask(url, ALL_OF_IT, urlsplit(copy).path[1:]) == [0]
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        ask(copy, PID)
