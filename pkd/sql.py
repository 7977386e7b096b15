"""Ask the database in SQL, where each look-up and each statement passes.

Django compiles a query anew whenever it is asked, which takes ten times as long as the database takes to answer.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django.db import connection

Row = tuple[Any, ...]
Value = int | str | bytes


def rows(query: str, *values: Value) -> list[Row]:
    """Return the rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        found: list[Row] = cursor.fetchall()
    return found


def row(query: str, *values: Value) -> Row | None:
    """Return the first row of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        found: Row | None = cursor.fetchone()
    return found


def write(command: str, *values: Value) -> None:
    """Insert or change rows."""
    with connection.cursor() as cursor:
        cursor.execute(command, values)


def locking(query: str) -> str:
    """Return a query that locks its rows until the commit, and gives them as whoever had them locked left them."""
    # SQLite's transactions begin with a lock of everything.
    return f"{query} FOR UPDATE" if connection.vendor == "postgresql" else query


def moment(found: datetime) -> datetime:
    """Return a time of a row with its zone, which SQLite mostly leaves out: it is UTC."""
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def places(values: Collection[Value]) -> str:
    """Return a place for each of some values, in brackets."""
    return f"({', '.join(['%s'] * len(values))})"
