"""Let the database itself refuse to change or delete entries and logs.

Triggers of rows do not see that Postgres truncates a table, so a table has one of its own, which lets an empty one be
truncated; SQLite has no TRUNCATE.

SQLite makes a table anew for a column, which loses the table's triggers: a later migration of these two tables runs
`drop` first, and then `create`.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLES = ("transparency_entry", "transparency_log")
CREATE = {
    "sqlite": [
        f"""CREATE TRIGGER {table}_{event.lower()} BEFORE {event} ON {table}
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"""
        for table in TABLES
        for event in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        """CREATE FUNCTION transparency_stays() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the log is append-only' USING ERRCODE = 'restrict_violation'; END $$""",
        *(
            f"""CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION transparency_stays()"""
            for table in TABLES
        ),
        """CREATE FUNCTION transparency_is_not_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF (TG_TABLE_NAME = 'transparency_entry' AND EXISTS (SELECT 1 FROM transparency_entry))
            OR (TG_TABLE_NAME = 'transparency_log' AND EXISTS (SELECT 1 FROM transparency_log)) THEN
            RAISE EXCEPTION 'the log is append-only' USING ERRCODE = 'restrict_violation';
          END IF;
          RETURN NULL;
        END $$""",
        *(
            f"""CREATE TRIGGER {table}_is_not_truncated BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION transparency_is_not_truncated()"""
            for table in TABLES
        ),
    ],
}
DROP = {
    "sqlite": [f"DROP TRIGGER {table}_{event}" for table in TABLES for event in ("update", "delete")],
    "postgresql": [
        *(f"DROP TRIGGER {table}_is_not_truncated ON {table}" for table in TABLES),
        "DROP FUNCTION transparency_is_not_truncated()",
        *(f"DROP TRIGGER {table}_stays ON {table}" for table in TABLES),
        "DROP FUNCTION transparency_stays()",
    ],
}


def create(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("transparency", "0001_initial")]

    operations = [migrations.RunPython(create, drop)]
