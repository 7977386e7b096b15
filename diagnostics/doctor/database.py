"""The database: reachable, fast, migrated, and taking writes."""

import time
from collections.abc import Iterator

from django.db import DatabaseError, connection, transaction

from diagnostics.doctor.clock import Clock
from diagnostics.doctor.finding import Finding, failed, ok, warning
from diagnostics.schema import first_line, other_directory, unapplied

SUBJECT = "database"
SLOW_MS = 50


def examine(clocks: list[Clock]) -> Iterator[Finding]:
    """Ask the database for everything that the server will; the time on its clock is added to `clocks`."""
    try:
        milliseconds = _round_trip()
    except DatabaseError as error:
        yield failed(SUBJECT, f"does not open ({first_line(error)}): check DATABASE_URL, and that the database runs")
        return
    yield _speed(milliseconds)
    yield from _migrations()
    if connection.vendor == "sqlite":
        yield from _sqlite()
    else:
        yield _pooler()
        clocks.append(_postgres_clock())


def _round_trip() -> float:
    with connection.cursor() as cursor:
        # The first one connects.
        cursor.execute("SELECT 1")
        begin = time.perf_counter()
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return (time.perf_counter() - begin) * 1000


def _speed(milliseconds: float) -> Finding:
    version = ".".join(map(str, connection.get_database_version()))
    what = f"{connection.display_name} {version} answers in {milliseconds:.1f} ms"
    if milliseconds > SLOW_MS:
        return warning(SUBJECT, f"{what}, which is slow: put it into the same region and network")
    return ok(SUBJECT, what)


def _migrations() -> Iterator[Finding]:
    if lacking := unapplied():
        yield failed(SUBJECT, f"lacks {lacking}: run manage.py migrate")
    else:
        yield ok(SUBJECT, "every migration is applied")
        if other := other_directory():
            yield failed(SUBJECT, f"has client IDs of the directory {other}: set DIRECTORY_NAME to that, for ever")


def _sqlite() -> Iterator[Finding]:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE TABLE doctor_was_here (id integer)")
            transaction.set_rollback(True)
    except DatabaseError as error:
        yield failed(
            SUBJECT,
            f"takes no writes ({first_line(error)}): let the server's user write the file and its directory",
        )
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchone()[0]
    if mode == "wal":
        yield ok(SUBJECT, "takes writes, with a write-ahead log")
    else:
        yield warning(
            SUBJECT, f"takes writes, but its journal mode is {mode}: move it to a disk where SQLite's WAL works"
        )


def _pooler() -> Finding:
    """Compare the process that the connection was told of with the one that serves it; a pooler invents the former."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        serving = cursor.fetchone()[0]
    if serving == connection.connection.info.backend_pid:
        return ok(SUBJECT, "is connected to directly, without a pooler")
    return ok(
        SUBJECT,
        "is behind a pooler such as PgBouncer: its transaction mode will do, as the server keeps nothing in a session; "
        "its pool must have two connections, for `migrate`, and better as many as DATABASE_CONNECTIONS",
    )


def _postgres_clock() -> Clock:
    with connection.cursor() as cursor:
        begin = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        theirs = float(cursor.fetchone()[0])
        end = time.time()
    return Clock("Postgres", theirs - (begin + end) / 2, end - begin)
