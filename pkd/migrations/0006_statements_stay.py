"""Let the database itself refuse to change or delete statements, but for those of an erased client ID.

Triggers of rows do not see that Postgres truncates a table, so that has one of its own; SQLite has no
TRUNCATE.

SQLite makes a table anew for a column, which loses the table's triggers, and refuses to rename it while a trigger of
another table names it: a later migration of these two tables runs `drop` first, and then `create`.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CREATE = {
    "sqlite": [
        """CREATE TRIGGER pkd_statement_is_not_changed BEFORE UPDATE ON pkd_statement
        BEGIN SELECT RAISE(ABORT, 'statements are append-only'); END""",
        """CREATE TRIGGER pkd_statement_is_not_deleted BEFORE DELETE ON pkd_statement
        WHEN EXISTS (SELECT 1 FROM pkd_identity WHERE id = OLD.identity_id AND erased_at IS NULL)
        BEGIN SELECT RAISE(ABORT, 'statements are append-only'); END""",
    ],
    "postgresql": [
        """CREATE FUNCTION pkd_statement_stays() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP = 'DELETE' THEN
            IF NOT EXISTS (SELECT 1 FROM pkd_identity WHERE id = OLD.identity_id AND erased_at IS NULL) THEN
              RETURN OLD;
            END IF;
          END IF;
          RAISE EXCEPTION 'statements are append-only' USING ERRCODE = 'restrict_violation';
        END $$""",
        """CREATE TRIGGER pkd_statement_stays BEFORE UPDATE OR DELETE ON pkd_statement
        FOR EACH ROW EXECUTE FUNCTION pkd_statement_stays()""",
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
    "sqlite": ["DROP TRIGGER pkd_statement_is_not_changed", "DROP TRIGGER pkd_statement_is_not_deleted"],
    "postgresql": [
        "DROP TRIGGER pkd_statement_is_not_truncated ON pkd_statement",
        "DROP FUNCTION pkd_statement_is_not_truncated()",
        "DROP TRIGGER pkd_statement_stays ON pkd_statement",
        "DROP FUNCTION pkd_statement_stays()",
    ],
}


def create(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("pkd", "0005_ownership")]

    operations = [migrations.RunPython(create, drop)]
