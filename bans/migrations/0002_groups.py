from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from pkd.groups import OPERATOR, VIEWER, grant

BAN = ("bans", "ban")
VIEWING = {"view_ban": "Can view ban"}
OPERATING = {**VIEWING, "decide_ban": "Can ban, and lift bans"}


def extend_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for group, permissions in ((VIEWER, VIEWING), (OPERATOR, OPERATING)):
        grant(apps, schema_editor.connection.alias, group, BAN, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("bans", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    # Backwards the groups stay: people may be in them.
    operations = [migrations.RunPython(extend_groups, migrations.RunPython.noop)]
