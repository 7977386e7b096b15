"""The refusals of the database: which mean that a connection leads to the wrong server, and what the operator is told.

A primary that was demoted, or a pooler that leads to a replica, answers on a connection that looks well. Such a
connection is closed, so that the next request has a new one. The first refusal of each kind is logged, and its end.
"""

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    connection,
)

logger = logging.getLogger(__name__)

# read_only_sql_transaction; admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped, idle_session_timeout.
READ_ONLY, SHUTTING_DOWN = "25006", "57P"

# What these say is a mistake in our SQL or data. Everything else, such as a lost connection, a full disk or a
# server that only reads during a failover, passes with time.
MISTAKES = (DataError, IntegrityError, NotSupportedError, ProgrammingError)

P = ParamSpec("P")
T = TypeVar("T")


def sqlstate_of(error: Exception) -> str:
    """Return Postgres' code of an error (SQLSTATE); "" where there is none."""
    cause = error.__cause__
    driver = connection.Database  # type: ignore[attr-defined]  # the stubs leave the driver out
    if connection.vendor != "postgresql" or not isinstance(cause, driver.Error):
        return ""
    return str(cause.sqlstate or "")


def leaving_wrong_server(step: Callable[P, T]) -> Callable[P, T]:
    """Wrap a step of a thread: close the thread's connection where the step's error says that it is the wrong one."""

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return step(*args, **kwargs)
        except DatabaseError as error:
            if sqlstate_of(error).startswith((READ_ONLY, SHUTTING_DOWN)):
                connection.close()
            raise

    return run


class Refusals:
    """The kinds of refusals that are under way, with the steps that met them.

    The steps are about `what`; `consequence` says what follows from a refusal meanwhile.
    """

    def __init__(self, what: str, consequence: str) -> None:
        self._what = what
        self._consequence = consequence
        self._under_way: dict[str, str] = {}

    def note(self, step: str, error: Exception) -> None:
        """Note that the database refused a step, and log the first of the kind."""
        kind = _kind_of(error)
        if kind not in self._under_way:
            self._under_way[kind] = step
            logger.warning("The database refuses to %s %s (%s); %s", step, self._what, kind, self._consequence)

    def note_success(self, step: str) -> None:
        """Note that a step went well, and log the end of what it had met."""
        for kind in [kind for kind, met_by in self._under_way.items() if met_by == step]:
            del self._under_way[kind]
            logger.warning("The database no longer refuses to %s %s (%s)", step, self._what, kind)


def _kind_of(error: Exception) -> str:
    """Name an error without what its text may hold: an address, or what a client sent."""
    cause = error.__cause__ if isinstance(error, Error) else None
    name = type(error if cause is None else cause).__name__
    if connection.vendor == "sqlite" and cause is not None:
        # It says "database or disk is full", and no more.
        return str(cause)
    return f"{sqlstate_of(error)} {name}".strip()
