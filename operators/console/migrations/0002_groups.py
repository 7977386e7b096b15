from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from pkd.groups import OPERATOR, VIEWER, grant

PRESENCE, CALL = ("console", "presence"), ("console", "call")


def extend_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    database = schema_editor.connection.alias
    for group in (VIEWER, OPERATOR):
        grant(apps, database, group, PRESENCE, {"view_presence": "Can view presence"})
        grant(apps, database, group, CALL, {"view_call": "Can view call"})
    grant(apps, database, OPERATOR, PRESENCE, {"disconnect_client": "Can disconnect a client"})
    grant(apps, database, OPERATOR, CALL, {"end_call": "Can end a call"})


class Migration(migrations.Migration):
    dependencies = [("console", "0001_initial"), ("pkd", "0003_groups")]

    # Backwards the groups stay: people may be in them.
    operations = [migrations.RunPython(extend_groups, migrations.RunPython.noop)]
