import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

HOSTS = ["healthcheck.railway.app", "evil.example", "bad host", "under_score", "[::1", "a:b:c", "", "\xff" * 300]

# Runs in a process of its own, because the settings follow from the environment when they are read.
DEPLOYED = """
import django, json
django.setup()
from django.test import Client
def ask(path):
    response = Client().get(path, headers={"host": "healthcheck.railway.app"})
    return [response.status_code, response.content.decode()]
print(json.dumps([ask("/health"), ask("/health/")]))
"""


@pytest.mark.django_db
@pytest.mark.parametrize("host", HOSTS)
def test_health_answers_any_host_without_a_query(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, host: str
) -> None:
    with django_assert_num_queries(0):
        response = client.get("/health", headers={"host": host})
    assert response.status_code == 200
    assert response.content == b'{"status":"ok"}'
    assert response["Content-Type"] == "application/json"


def test_health_answers_without_a_database(client: Client) -> None:
    """Without the mark that opens the database, a query would be an error here."""
    assert client.get("/health").content == b'{"status":"ok"}'


def test_other_pages_refuse_an_unknown_host(client: Client) -> None:
    assert client.get("/admin/", headers={"host": "evil.example"}).status_code == 400


def test_health_can_only_be_read(client: Client) -> None:
    assert client.head("/health").status_code == 200
    assert Client(enforce_csrf_checks=True).post("/health").status_code == 405


def test_health_is_not_redirected_to_https_when_deployed() -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"DEBUG", "ALLOWED_HOSTS"}},
        "DJANGO_SETTINGS_MODULE": "securecall_site.settings",
        "SECRET_KEY": "a key of the test's own",
        "ALLOWED_HOSTS": "securecall.example,healthcheck.railway.app",
    }
    deployed = subprocess.run(
        [sys.executable, "-c", DEPLOYED],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        check=True,
        text=True,
    )
    health, elsewhere = json.loads(deployed.stdout)
    assert health == [200, '{"status":"ok"}']
    assert elsewhere[0] == 301
