import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

POLICY = {
    "default-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}

# Runs in a process of its own, because the settings follow from the environment when they are read.
DEPLOYED = """
import django, json, sys
django.setup()
from django.conf import settings
from django.core.management import call_command
from django.test import Client
settings.STATIC_ROOT = sys.argv[1]
if settings.DEMO:
    call_command("collectstatic", interactive=False, verbosity=0)
response = Client().get("/demo/", secure=True, headers={"host": "securecall.example"})
print(json.dumps([response.status_code, response.content.decode()]))
"""


def deployed_demo_page(static_root: Path, **variables: str) -> Any:
    """Status and body of the page in production with these variables."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"DEBUG", "DEMO"}},
        "SECRET_KEY": "a key of the test's own",
        "ALLOWED_HOSTS": "securecall.example",
        **variables,
    }
    command = [sys.executable, "-c", DEPLOYED, str(static_root)]
    result = subprocess.run(command, env=environment, cwd=settings.BASE_DIR, capture_output=True, check=True, text=True)
    return json.loads(result.stdout)


@pytest.mark.parametrize("path", ["/demo/", "/health", "/admin/login/"])
@pytest.mark.django_db
def test_every_page_allows_nothing_inline_and_nothing_from_elsewhere(client: Client, path: str) -> None:
    policy = client.get(path)["Content-Security-Policy"]

    assert set(policy.split("; ")) == POLICY


def test_demo_page_hears_how_often_to_heartbeat(client: Client) -> None:
    page = client.get("/demo/").content.decode()

    assert 'data-heartbeat-interval-ms="30000"' in page


def test_demo_page_can_only_be_read(client: Client) -> None:
    assert client.head("/demo/").status_code == 200
    assert client.post("/demo/").status_code == 405


def test_demo_page_is_off_when_deployed(tmp_path: Path) -> None:
    status, _ = deployed_demo_page(tmp_path)

    assert status == 404


def test_demo_page_finds_its_collected_files_when_deployed(tmp_path: Path) -> None:
    status, page = deployed_demo_page(tmp_path, DEMO="1")

    assert status == 200
    names = re.findall(r'"/static/(webclient/[^"]+)"', page)
    assert {Path(name).suffix for name in names} >= {".css", ".js", ".svg"}
    assert [name for name in names if not (tmp_path / name).is_file()] == []
