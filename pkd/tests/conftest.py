"""Operators of every kind."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client


def operator(username: str, *permissions: str) -> User:
    user = User.objects.create_user(username, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


@pytest.fixture
def olga() -> User:
    """An operator who may do everything in the directory."""
    return operator(
        *("olga", "view_publickey", "revoke_publickey", "freeze_publickey", "export_publickey", "import_publickey"),
        *("release_publickey", "erase_publickey"),
    )


@pytest.fixture
def admin_pages(olga: User) -> Client:
    """Olga's browser."""
    client = Client()
    client.force_login(olga)
    return client


@pytest.fixture
def viewer_pages() -> Client:
    """The browser of an operator who may only look."""
    client = Client()
    client.force_login(operator("vera", "view_publickey"))
    return client
