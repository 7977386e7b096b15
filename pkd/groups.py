"""Give permissions to the groups of operators, in a migration.

Django creates permissions only after all migrations have run, so a migration that looks for one on a fresh
database finds none. These are created here, as Django would, which then leaves them as they are.
"""

from collections.abc import Mapping
from typing import Any

from django.apps.registry import Apps

VIEWER = "viewer"
OPERATOR = "operator"


def grant(apps: Apps, database: str, group: str, model: tuple[str, str], permissions: Mapping[str, str]) -> None:
    """Give `group`, created if need be, permissions on a model (app label, lower-case name).

    `permissions` maps code names to what the model calls them. `apps` is the migration's, and `database` its
    connection's alias. Granting again changes nothing.
    """
    groups: Any = apps.get_model("auth", "Group").objects.using(database)
    content_types: Any = apps.get_model("contenttypes", "ContentType").objects.using(database)
    rows: Any = apps.get_model("auth", "Permission").objects.using(database)
    app_label, model_name = model
    content_type, _ = content_types.get_or_create(app_label=app_label, model=model_name)
    granted = [
        rows.get_or_create(content_type=content_type, codename=codename, defaults={"name": name})[0]
        for codename, name in permissions.items()
    ]
    found, _ = groups.get_or_create(name=group)
    found.permissions.add(*granted)
