from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from pkd.groups import OPERATOR, grant

KEY = ("pkd", "publickey")
# Erasing cannot be undone: who may is for a superuser to say.
OPERATING = {"release_publickey": "Can release a client ID"}


def grant_releasing(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    grant(apps, schema_editor.connection.alias, OPERATOR, KEY, OPERATING)


class Migration(migrations.Migration):
    dependencies = [
        ("pkd", "0006_statements_stay"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    # Backwards the groups stay: people may be in them.
    operations = [migrations.RunPython(grant_releasing, migrations.RunPython.noop)]
