import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client
from rest_framework.authtoken.models import Token

from operators.console.tests.conftest import here, join  # noqa: F401  # fixtures


@pytest.fixture(autouse=True)
def _no_requests_before() -> None:
    """Every test begins its minute anew."""
    cache.clear()


@pytest.fixture
def operator(db: None) -> User:  # noqa: ARG001  # a fixture cannot use another in another way
    """Staff who may view keys."""
    olga = User.objects.create_user("olga", is_staff=True)
    olga.user_permissions.add(Permission.objects.get(codename="view_publickey"))
    return olga


@pytest.fixture
def authorization(operator: User) -> dict[str, str]:
    """The header with the operator's token."""
    return {"Authorization": f"Token {Token.objects.create(user=operator).key}"}


@pytest.fixture
def api(authorization: dict[str, str]) -> Client:
    """An operator's script: it sends a token."""
    return Client(headers=authorization)
