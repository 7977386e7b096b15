"""Indexes for a directory of a million keys: beginnings of client IDs in any case, and what few keys are.

The first is written for each database, as Django has no index that both use for that. SQLite makes a table anew for a
column, which loses it: a later migration of that table runs `drop` first, and then `create`.
"""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CREATE = {
    "sqlite": ["CREATE INDEX pkd_client_id_any_case ON pkd_publickey (client_id COLLATE NOCASE)"],
    "postgresql": [
        "CREATE INDEX pkd_client_id_any_case ON pkd_publickey (upper(client_id) text_pattern_ops)",
        # Of an expression the planner knows nothing until then, and takes its values for frequent.
        "ANALYZE pkd_publickey",
    ],
}
DROP = "DROP INDEX pkd_client_id_any_case"


def create(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute(DROP)


class Migration(migrations.Migration):
    dependencies = [("pkd", "0007_who_releases")]

    operations = [
        migrations.AddIndex(
            model_name="publickey",
            index=models.Index(
                fields=["-last_change"], condition=models.Q(("revoked_at__isnull", False)), name="pkd_revoked_keys"
            ),
        ),
        migrations.AddIndex(
            model_name="publickey",
            index=models.Index(
                fields=["-last_change"], condition=models.Q(("frozen_at__isnull", False)), name="pkd_frozen_ids"
            ),
        ),
        migrations.RunPython(create, drop),
    ]
