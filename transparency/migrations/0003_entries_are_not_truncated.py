"""Let Postgres refuse to truncate entries and logs, which triggers of rows do not see; SQLite has no TRUNCATE.

An empty table may be truncated.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLES = ("transparency_entry", "transparency_log")
CREATE = {
    "sqlite": [],
    "postgresql": [
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
    "sqlite": [],
    "postgresql": [
        *(f"DROP TRIGGER {table}_is_not_truncated ON {table}" for table in TABLES),
        "DROP FUNCTION transparency_is_not_truncated()",
    ],
}


def create(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("transparency", "0002_entries_stay")]

    operations = [migrations.RunPython(create, drop)]
