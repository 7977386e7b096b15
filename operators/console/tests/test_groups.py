import pytest
from django.apps import apps
from django.contrib.auth.models import Permission

from operators.console.tests.conftest import OPERATING, VIEWING

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("migrated_groups")]


@pytest.mark.parametrize(("group", "permissions"), [("viewer", VIEWING), ("operator", OPERATING)])
def test_groups_may_what_their_names_say(group: str, permissions: tuple[str, ...]) -> None:
    rows = Permission.objects.filter(group__name=group, content_type__app_label="console")
    assert set(rows.values_list("codename", flat=True)) == set(permissions)


def test_permissions_are_the_ones_that_django_makes() -> None:
    made = set(Permission.objects.filter(content_type__app_label="console").values_list("codename", "name"))
    models = [apps.get_model("console", name)._meta for name in ("Presence", "Call", "PublicRecord")]  # noqa: SLF001
    views = {(f"view_{model.model_name}", f"Can view {model.verbose_name}") for model in models}
    assert made == views.union(*(model.permissions for model in models))
