"""Many rows in one statement, in the words of each database, built once for each table.

PostgreSQL takes arrays: one statement of one shape whatever their length. There the people's rows are looked up pair by
pair (a lateral join that OFFSET 0 keeps as it is): its statistics know nothing yet of a session that got hot a minute
ago, and by them it would rather read the whole session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    Connection,
    Insert,
    Integer,
    Row,
    Select,
    String,
    Table,
    TextClause,
    bindparam,
    func,
    insert,
    or_,
    select,
    true,
)
from sqlalchemy.types import TypeEngine

Rows = Sequence[Mapping[str, Any]]
Kind = TypeVar("Kind", bound=Insert)


def of_people(
    connection: Connection, table: Table, condition: TextClause, wanted: Mapping[int, Iterable[str]]
) -> Iterable[Row[Any]]:
    """The rows of these people in these sessions, by session id; SQLite may answer those of other pairs of them too."""
    if connection.dialect.name == "sqlite":
        people = set[str]().union(*wanted.values())
        return connection.execute(_of_anyone(table, condition), {"session_ids": list(wanted), "user_ids": list(people)})
    pairs = [(session_id, user_id) for session_id, users in wanted.items() for user_id in users]
    sessions, users = zip(*pairs, strict=True)
    return connection.execute(_of_pairs(table, condition), {"sessions": list(sessions), "users": list(users)})


@cache
def _of_anyone(table: Table, condition: TextClause) -> Select[*tuple[Any, ...]]:
    return select(table).where(
        table.c.session_id.in_(bindparam("session_ids", expanding=True)),
        table.c.user_id.in_(bindparam("user_ids", expanding=True)),
        condition,
    )


@cache
def _of_pairs(table: Table, condition: TextClause) -> Select[*tuple[Any, ...]]:
    pair = (
        func.unnest(bindparam("sessions", type_=ARRAY(Integer)), bindparam("users", type_=ARRAY(String)))
        .table_valued("session_id", "user_id")
        .render_derived(name="pair")
    )
    rows = (
        select(table)
        .where(table.c.session_id == pair.c.session_id, table.c.user_id == pair.c.user_id, condition)
        .offset(0)
        .lateral("found")
    )
    return select(rows).select_from(pair.join(rows, true()))


def add(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows that have the same columns."""
    if rows:
        _run(connection, _insert(table, connection.dialect.name, tuple(rows[0])), rows)


def add_or_renew(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, or set the other columns of those whose `id` is there already. No id may come twice."""
    if rows:
        _run(connection, _upsert(table, connection.dialect.name, tuple(rows[0])), rows)


def _run(connection: Connection, statement: Insert, rows: Rows) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(statement, list(rows))
    else:
        connection.execute(statement, {f"{name}s": [row[name] for row in rows] for name in rows[0]})


@cache
def _insert(table: Table, dialect: str, columns: tuple[str, ...]) -> Insert:
    return insert(table) if dialect == "sqlite" else _from_arrays(insert(table), table, columns)


def _from_arrays(statement: Kind, table: Table, columns: tuple[str, ...]) -> Kind:
    arrays = (bindparam(f"{name}s", type_=ARRAY(_without_length(table.c[name].type))) for name in columns)
    rows = func.unnest(*arrays).table_valued(*columns).render_derived(name="given")
    return statement.from_select(columns, select(*(rows.c[name] for name in columns)))


def _without_length(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """A cast to VARCHAR(9) would cut what is longer, where the column refuses it."""
    return String() if isinstance(kind, String) else kind


@cache
def _upsert(table: Table, dialect: str, columns: tuple[str, ...]) -> Insert:
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        own = sqlite.insert(table)
        newest = {name: own.excluded[name] for name in columns if name != "id"}
        changed = or_(*(table.c[name] != value for name, value in newest.items()))
        return own.on_conflict_do_update(index_elements=[table.c.id], set_=newest, where=changed)
    from sqlalchemy.dialects import postgresql

    other = _from_arrays(postgresql.insert(table), table, columns)
    newest = {name: other.excluded[name] for name in columns if name != "id"}
    changed = or_(*(table.c[name] != value for name, value in newest.items()))
    return other.on_conflict_do_update(index_elements=[table.c.id], set_=newest, where=changed)
