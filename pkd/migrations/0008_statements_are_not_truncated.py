"""Let Postgres refuse to truncate statements, which triggers of rows do not see; SQLite has no TRUNCATE.

A table in which every client ID is erased may be truncated, as its rows may be deleted.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CREATE = {
    "sqlite": [],
    "postgresql": [
        """CREATE FUNCTION pkd_statement_is_not_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (
            SELECT 1 FROM pkd_statement WHERE identity_id IN (SELECT id FROM pkd_identity WHERE erased_at IS NULL)
          ) THEN
            RAISE EXCEPTION 'statements are append-only' USING ERRCODE = 'restrict_violation';
          END IF;
          RETURN NULL;
        END $$""",
        """CREATE TRIGGER pkd_statement_is_not_truncated BEFORE TRUNCATE ON pkd_statement
        FOR EACH STATEMENT EXECUTE FUNCTION pkd_statement_is_not_truncated()""",
    ],
}
DROP = {
    "sqlite": [],
    "postgresql": [
        "DROP TRIGGER pkd_statement_is_not_truncated ON pkd_statement",
        "DROP FUNCTION pkd_statement_is_not_truncated()",
    ],
}


def create(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("pkd", "0007_who_releases")]

    operations = [migrations.RunPython(create, drop)]
