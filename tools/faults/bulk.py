"""Rows of a Postgres, written in bulk."""

from collections.abc import Iterable, Mapping

import psycopg
from psycopg import sql


def line(*values: object) -> str:
    """Write a row for COPY."""
    return "\t".join(map(_written, values)) + "\n"


def _written(value: object) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return f"\\\\x{value.hex()}"
    return str(value).replace("\n", "\\n")


def copy(connection: psycopg.Connection, columns: Mapping[str, str], rows: Mapping[str, Iterable[str]]) -> None:
    """Write the lines of each table; `columns` says their names, in a text."""
    for table, lines in rows.items():
        names = sql.SQL(", ").join(map(sql.Identifier, columns[table].split()))
        command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
        with connection.cursor() as cursor, cursor.copy(command) as target:
            target.write("".join(lines))


def end(connection: psycopg.Connection, tables: Iterable[str]) -> None:
    """Let rows that are inserted from here on have the next primary keys, and the planner know the tables."""
    for table in tables:
        command = sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), (SELECT max(id) FROM {}))")
        connection.execute(command.format(sql.Literal(table), sql.Identifier(table)))
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")
