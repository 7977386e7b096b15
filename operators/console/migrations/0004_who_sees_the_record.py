from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from pkd.groups import OPERATOR, VIEWER, grant

RECORD = ("console", "publicrecord")


def extend_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for group in (VIEWER, OPERATOR):
        grant(apps, schema_editor.connection.alias, group, RECORD, {"view_publicrecord": "Can view public record"})


class Migration(migrations.Migration):
    dependencies = [("console", "0003_public_record")]

    # Backwards the groups stay: people may be in them.
    operations = [migrations.RunPython(extend_groups, migrations.RunPython.noop)]
