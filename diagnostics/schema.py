"""Compare the database with this program: its migrations, and the name of its directory."""

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

SHOWN = 3


def unapplied() -> str:
    """Say which migrations the database lacks, "2 migrations (pkd.0002_more, pkd.0003_most)"; empty when none.

    Raises `DatabaseError`.
    """
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    names = [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
    if not names:
        return ""
    shown = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return f"{len(names)} {'migration' if len(names) == 1 else 'migrations'} ({shown})"


def other_directory() -> str:
    """Return the directory's name in the statements of the database, if it is not DIRECTORY_NAME; else "".

    Raises `DatabaseError`.
    """
    from pkd import identities  # noqa: PLC0415  # settings must be complete, and the server's module is read before

    name = identities.directory_of_statements()
    return "" if name == settings.DIRECTORY_NAME else name


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
