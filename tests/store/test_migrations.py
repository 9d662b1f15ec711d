"""The version before can work beside every migration: what each says to PostgreSQL, statement by statement."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from sqlalchemy import NullPool, create_engine, event

from hub.store import schema
from hub.store.postgresql import dialed
from tests.servers import PostgresServer

FIRST = "0001"
MEANT = re.compile(r"(?:INSERT INTO|UPDATE) alembic_version .*?'(\w+)'").match
NEW_TABLE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) ").match
BESIDE = re.compile(r"CREATE INDEX CONCURRENTLY ").match
ONCE = re.compile(r"(?:CREATE TABLE|ALTER TABLE \w+ ADD COLUMN|CREATE INDEX(?! CONCURRENTLY)) (?!IF NOT EXISTS )").match
INDEX = re.compile(r"CREATE INDEX \w+ ON (\w+) ").match
HARMLESS = tuple(
    re.compile(pattern).match
    for pattern in (
        r"SELECT ",
        r"SET lock_timeout = ",
        r"CREATE TABLE ",
        r"CREATE INDEX CONCURRENTLY ",
        r"DROP INDEX CONCURRENTLY IF EXISTS ",
        r"ALTER TABLE \w+ ADD COLUMN (?!.*\b(?:NOT NULL|REFERENCES|UNIQUE|CHECK|now\(\)|random\(\)))",
        r"ALTER TABLE \w+ ADD COLUMN (?:IF NOT EXISTS )?\w+ \w+(?:\(\d+\))? "
        r"DEFAULT (?:'[^']*'|\d+|true|false) NOT NULL$",
    )
)
"""Additive, and quick or without a lock that keeps others away."""


def harmful(statements: Sequence[str]) -> list[str]:
    """Those of one migration that the version before, or whoever waits for a table, would notice.

    An index that is built beside others commits what came before: that must be one to do again.
    """
    if any(BESIDE(statement) for statement in statements):
        once = [statement for statement in statements if ONCE(statement)]
        if once:
            return once
    made = {found[1] for statement in statements if (found := NEW_TABLE(statement))}
    return [
        statement
        for statement in statements
        if not MEANT(statement)
        and not any(fits(statement) for fits in HARMLESS)
        and not ((index := INDEX(statement)) and index[1] in made)
    ]


def said(url: str) -> dict[str, Sequence[str]]:
    """What each migration says to the server, by its revision."""
    told: list[str] = []
    by_revision: dict[str, Sequence[str]] = {}
    engine = create_engine(dialed(url), poolclass=NullPool)

    @event.listens_for(engine, "before_cursor_execute")
    def hear(connection: object, cursor: object, statement: str, *_: object) -> None:
        told.append(" ".join(statement.split()))
        if meant := MEANT(told[-1]):
            by_revision[meant[1]] = tuple(told)
            told.clear()

    with engine.connect() as connection:
        schema.upgrade(connection)
    return by_revision


def test_every_migration_after_the_first_only_adds_and_keeps_nobody_waiting(postgres_server: PostgresServer) -> None:
    url = postgres_server.database()
    migrations = said(url)
    postgres_server.drop(url)
    assert {FIRST, "0002", schema.head()} <= set(migrations)
    del migrations[FIRST]
    assert [statement for told in migrations.values() for statement in harmful(told)] == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE users DROP COLUMN name",
        "ALTER TABLE users RENAME COLUMN name TO called",
        "ALTER TABLE users ALTER COLUMN name TYPE TEXT",
        "ALTER TABLE users ADD COLUMN age INTEGER NOT NULL",
        "ALTER TABLE users ADD COLUMN seen TIMESTAMP DEFAULT now() NOT NULL",
        "ALTER TABLE users ADD COLUMN node VARCHAR(64) REFERENCES nodes (id)",
        "ALTER TABLE users ADD CONSTRAINT old CHECK (age > 3)",
        "CREATE INDEX ix_users_name ON users (name)",
        "CREATE UNIQUE INDEX CONCURRENTLY uq_users_name ON users (name)",
        "UPDATE users SET name = ''",
        "DROP TABLE users",
    ],
)
def test_a_planted_statement_that_would_be_noticed_is(statement: str) -> None:
    assert harmful([statement]) == [statement]


def test_what_is_additive_passes() -> None:
    assert not harmful(
        [
            "CREATE TABLE fresh ( id INTEGER )",
            "CREATE INDEX ix_fresh ON fresh (id)",
            "ALTER TABLE users ADD COLUMN age INTEGER",
            "ALTER TABLE users ADD COLUMN age INTEGER DEFAULT 0 NOT NULL",
            "ALTER TABLE users ADD COLUMN IF NOT EXISTS mood VARCHAR(16) DEFAULT 'fine' NOT NULL",
        ]
    )


@pytest.mark.parametrize("before", ["CREATE TABLE fresh ( id INTEGER )", "ALTER TABLE users ADD COLUMN age INTEGER"])
def test_what_comes_before_an_index_that_is_built_beside_others_can_be_done_again(before: str) -> None:
    index = "CREATE INDEX CONCURRENTLY ix_users_name ON users (name)"
    again = before.replace("TABLE fresh", "TABLE IF NOT EXISTS fresh").replace("COLUMN", "COLUMN IF NOT EXISTS")
    assert (harmful([before, index]), harmful([again, index])) == ([before], [])
