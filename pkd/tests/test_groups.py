import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection

from pkd.groups import OPERATOR, VIEWER, grant

VIEWS = {"view_publickey"}
OPERATES = VIEWS | {"revoke_publickey", "freeze_publickey", "export_publickey", "import_publickey", "release_publickey"}


def permissions_of(group: str) -> set[str]:
    rows = Permission.objects.filter(group__name=group, content_type__app_label="pkd")
    return set(rows.values_list("codename", flat=True))


@pytest.mark.usefixtures("migrated_groups")
def test_groups_come_with_the_migrations() -> None:
    assert permissions_of(VIEWER) == VIEWS
    assert permissions_of(OPERATOR) == OPERATES


@pytest.mark.usefixtures("migrated_groups")
def test_member_of_a_group_has_its_permissions() -> None:
    vera = User.objects.create_user("vera", is_staff=True)
    vera.groups.add(Group.objects.get(name=VIEWER))
    assert vera.has_perm("pkd.view_publickey")
    assert not vera.has_perm("pkd.revoke_publickey")


@pytest.mark.django_db
def test_permissions_are_the_ones_that_django_makes() -> None:
    made = {(row.codename, row.name) for row in Permission.objects.filter(content_type__app_label="pkd")}
    model = apps.get_model("pkd", "PublicKey")
    expected = set(model._meta.permissions) | {("view_publickey", "Can view public key")}  # noqa: SLF001
    assert made == expected


@pytest.mark.django_db
def test_granting_again_changes_nothing() -> None:
    before = Permission.objects.count()
    for _ in range(2):
        grant(apps, connection.alias, VIEWER, ("pkd", "publickey"), {"view_publickey": "Can view public key"})
    assert permissions_of(VIEWER) == VIEWS
    assert Permission.objects.count() == before


@pytest.mark.django_db
def test_granting_needs_no_permission_to_exist() -> None:
    Permission.objects.filter(codename="view_publickey").delete()
    Group.objects.filter(name=VIEWER).delete()
    grant(apps, connection.alias, VIEWER, ("pkd", "publickey"), {"view_publickey": "Can view public key"})
    assert permissions_of(VIEWER) == VIEWS


@pytest.mark.django_db(transaction=True)
def test_migrating_back_and_forth_keeps_people_in_their_group() -> None:
    call_command("migrate", "pkd", "0002", verbosity=0)
    group, _ = Group.objects.get_or_create(name=OPERATOR)
    group.user_set.add(User.objects.create_user("olga"))
    # Whatever stood on it comes back with it.
    call_command("migrate", verbosity=0)
    assert permissions_of(OPERATOR) == OPERATES
    assert [user.username for user in group.user_set.all()] == ["olga"]
