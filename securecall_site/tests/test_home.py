import json
import os
import re
import subprocess
import sys
from typing import NamedTuple
from urllib.parse import urljoin

import pytest
from django.conf import settings
from django.test import Client

LINK = re.compile(r'(?:href|src|action)="([^"]*)"')
VIEW_SITE = re.compile(r'<a href="([^"]+)">View site</a>')

# Runs in a process of its own, because the paths follow from the environment when they are read; nothing was collected.
DEPLOYED = """
import django, json
django.setup()
from django.test import Client
def ask(method):
    response = getattr(Client(), method)("/", secure=True, headers={"host": "securecall.example"})
    return [response.status_code, dict(response.headers), response.content.decode()]
print(json.dumps([ask(method) for method in ("get", "head", "post")]))
"""


class Answer(NamedTuple):
    """An answer to a request for the first page."""

    status: int
    headers: dict[str, str]
    page: str


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    """The answers to GET, HEAD and POST without the demo page, without collected files and without a database."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"DEBUG", "DEMO"}},
        "SECRET_KEY": "a key of the test's own",
        "ALLOWED_HOSTS": "securecall.example",
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nowhere",
    }
    command = [sys.executable, "-c", DEPLOYED]
    result = subprocess.run(command, env=environment, cwd=settings.BASE_DIR, capture_output=True, check=True, text=True)
    return [Answer(*answer) for answer in json.loads(result.stdout)]


def test_first_page_is_the_demo_where_it_is_on(client: Client) -> None:
    # Not for good: browsers keep a 301, and the setting may change.
    answer = client.get("/?name=bob&call=alice")

    assert (answer.status_code, answer["Location"]) == (302, "/demo/?name=bob&call=alice")
    assert client.get("/")["Location"] == "/demo/"


def test_first_page_says_elsewhere_that_the_server_runs(answers: list[Answer]) -> None:
    status, headers, page = answers[0]

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert '<html lang="en">' in page
    assert "This signaling server is running." in page
    assert "docs/protocol.md" in page


def test_first_page_leads_strangers_nowhere(answers: list[Answer]) -> None:
    page = answers[0].page

    assert LINK.findall(page) == []
    assert "admin" not in page.lower()


def test_icon_is_found_where_browsers_look_for_it(client: Client) -> None:
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer["Location"]) == (302, "/static/webclient/icon.svg")


def test_first_page_can_only_be_read(answers: list[Answer]) -> None:
    assert [status for status, *_ in answers] == [200, 200, 405]


def test_first_page_refuses_an_unknown_host(client: Client) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.django_db
def test_admins_view_site_leads_to_the_first_page(admin_client: Client) -> None:
    (target,) = VIEW_SITE.findall(admin_client.get("/admin/auth/user/").content.decode())

    assert urljoin("/admin/auth/user/", target) == "/"
    assert admin_client.get(target, follow=True).status_code == 200
