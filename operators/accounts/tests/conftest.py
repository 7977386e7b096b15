from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

PASSWORD = "correct horse battery staple"
ADDRESS = "203.0.113.77"

SignIn = Callable[..., Any]


@pytest.fixture
def operator() -> User:
    return User.objects.create_user("olga", password=PASSWORD, is_staff=True)


@pytest.fixture
def _groups() -> None:
    for name in ("operator", "viewer"):
        Group.objects.get_or_create(name=name)


@pytest.fixture
def sign_in() -> SignIn:
    """Fill in the admin's sign-in page, as olga with the right password unless told otherwise."""

    def fill_in(
        client: Client | None = None, address: str = ADDRESS, headers: Any = None, **fields: str
    ) -> HttpResponse:
        form = {"username": "olga", "password": PASSWORD, "next": "/admin/", **fields}
        response: Any = (client or Client()).post("/admin/login/", form, REMOTE_ADDR=address, headers=headers)
        return response  # type: ignore[no-any-return]

    return fill_in


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Settings) -> None:
    """A good hash takes half a second, and these tests sign in hundreds of times."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
