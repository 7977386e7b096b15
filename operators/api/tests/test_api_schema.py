"""The operators' API is what its schema says, driven by schemathesis with requests that are right and wrong."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from pytest_django import Settings

from pkd import directory
from pkd.tests.owners import Identity
from turn.credentials import TurnSettings


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """Keep the test's transaction through requests, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def _in_use(settings: Settings, operator: User) -> None:
    """Something in the directory, a relay, who may do everything, and no limit that generated requests would meet."""
    operator.user_permissions.set(Permission.objects.all())
    settings.LIMIT_API_REQUESTS_PER_MINUTE = 0
    settings.TURN = TurnSettings(("secret",), ("turn:one",), ("stun:two",), 600)
    for number in range(3):
        directory.store("a" * (number + 1), f"key {number}")
        directory.store("a" * (number + 1), f"key {number}, changed")


# No pattern says which points are on the curve.
schemathesis.openapi.format("identity", st.integers().map(lambda number: Identity(str(number)).public))
generator = SchemaGenerator()  # type: ignore[no-untyped-call]
schema = schemathesis.openapi.from_dict(generator.get_schema(public=True))  # type: ignore[no-untyped-call]
schema.app = get_wsgi_application()


@pytest.mark.django_db
@pytest.mark.usefixtures("operator", "_in_use", "_one_connection")
@schema.parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_operation_does_what_the_schema_says(case: schemathesis.Case[Any], authorization: dict[str, str]) -> None:
    case.call_and_validate(headers=authorization)


def test_schema_is_generated_without_a_doubt(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn")
    assert "openapi: 3.1.0" in capsys.readouterr().out


def test_schema_is_served_to_operators(api: Client) -> None:
    served = api.get("/api/schema/").json()
    assert set(served["paths"]) == {
        "/api/keys/",
        "/api/keys/{clientId}/",
        "/api/keys/{clientId}/history/",
        *(f"/api/keys/{{clientId}}/{act}/" for act in ("revoke", "lift", "freeze", "unfreeze", "release", "erase")),
        "/api/clients/",
        "/api/clients/{clientId}/disconnect/",
        "/api/calls/",
        "/api/calls/{callId}/end/",
        "/api/clients/{clientId}/ban/",
        "/api/bans/",
        "/api/bans/{number}/lift/",
        "/api/status/",
        "/api/turn-credentials/",
    }
    assert set(served["components"]["securitySchemes"]) == {"tokenAuth", "cookieAuth"}
    for path in served["paths"].values():
        for operation in path.values():
            assert {"401", "403", "406", "429", "503"} < set(operation["responses"])
