"""Django's `migrate`, one process at a time: replicas that start together take turns."""

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from securecall_site.termination import ended_by_sigterm

logger = logging.getLogger(__name__)

# Any number that nothing else in this database uses.
LOCK = 0x5EC0_CA11
RETRY_SECONDS = 0.25


class Command(migrate.Command):
    """Hold a lock on Postgres, in a transaction of its own; an SQLite file has no replicas.

    A session's lock would strand behind a pooler in transaction mode, which gives the next statement to any session.
    A transaction stays with its session, and its lock ends with it, however it ends.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait for the lock, then migrate what is still to do; SIGTERM ends either."""
        connection = connections[options["database"]]
        with ended_by_sigterm():
            if connection.vendor != "postgresql":
                super().handle(*args, **options)
                return
            with _alone(connection.copy(), settings.MIGRATE_WAIT_SECONDS):
                super().handle(*args, **options)


@contextlib.contextmanager
def _alone(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Hold the lock on this connection while the block runs; exit with a sentence after waiting for so long."""
    try:
        _lock(connection, seconds)
        yield
        with contextlib.suppress(DatabaseError):
            connection.rollback()
    finally:
        connection.close()


def _lock(connection: BaseDatabaseWrapper, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    # Its first statement opens a transaction.
    connection.set_autocommit(autocommit=False)
    is_told = False
    while not _try_lock(connection):
        if time.monotonic() >= deadline:
            # Before the sentence, which the interpreter writes.
            for handler in logging.getLogger().handlers:
                handler.flush()
            raise SystemExit(
                f"The database was not migrated: another process has kept it for {seconds:g} s. See what that one "
                "does, or raise MIGRATE_WAIT_SECONDS, then start again."
            )
        if not is_told:
            logger.info("Another process migrates the database; this one waits for it, for up to %g s", seconds)
        is_told = True
        time.sleep(RETRY_SECONDS)


def _try_lock(connection: BaseDatabaseWrapper) -> bool:
    with connection.cursor() as cursor:
        # Between two of our statements a migration may run for longer than a server lets a transaction idle.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        (is_locked,) = cursor.fetchone()
    if not is_locked:
        connection.rollback()
    return bool(is_locked)
