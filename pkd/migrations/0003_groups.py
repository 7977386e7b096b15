from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from pkd.groups import OPERATOR, VIEWER, grant

KEY = ("pkd", "publickey")
VIEWING = {"view_publickey": "Can view public key"}
OPERATING = VIEWING | {
    "revoke_publickey": "Can revoke a public key",
    "freeze_publickey": "Can freeze and unfreeze a client ID",
    "export_publickey": "Can export the directory",
    "import_publickey": "Can import keys",
}


def make_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    database = schema_editor.connection.alias
    grant(apps, database, VIEWER, KEY, VIEWING)
    grant(apps, database, OPERATOR, KEY, OPERATING)


class Migration(migrations.Migration):
    dependencies = [
        ("pkd", "0002_lifting_and_freezing"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    # Backwards the groups stay: people may be in them.
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
