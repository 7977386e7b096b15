"""Django's `migrate`, one process at a time: replicas that start together run it together."""

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

# Any number that nothing else in this database uses.
LOCK = 0x5EC0_CA11


class Command(migrate.Command):
    """Hold a session lock on Postgres, which goes with the connection; an SQLite file has no replicas."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait for the lock, then migrate what is still to do."""
        connection = connections[options["database"]]
        if connection.vendor != "postgresql":
            super().handle(*args, **options)
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            try:
                super().handle(*args, **options)
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
