"""An operator who is signed in to the admin of real servers."""

import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import ROOT, RunningServer, database_template, environment

# Signs a superuser in, as the admin's sign-in page does, and prints the cookie.
SIGN_IN = """
import django; django.setup()
from django.contrib.auth.models import User
from django.test import Client
browser = Client()
browser.force_login(User.objects.create_superuser("olga"))
print(browser.cookies["sessionid"].value)
"""


@dataclass
class Office:
    """A process that an operator looks at, and one, perhaps another, that clients connect to."""

    desk: RunningServer
    door: RunningServer
    session: str

    def get(self, path: str) -> str:
        """A page of the admin."""
        status, text = self.desk.get(path, {"Cookie": f"sessionid={self.session}"})
        assert status == 200
        return text

    def upload(self, path: str, file: bytes, reason: str) -> None:
        """Post a file as a browser does."""
        opener = urllib.request.build_opener()
        with opener.open(self.request(path)) as response:
            token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', response.read().decode())[0]
            cookie = response.headers["Set-Cookie"].split(";")[0]
        parts = {'name="csrfmiddlewaretoken"': token.encode(), 'name="reason"': reason.encode()}
        parts['name="file"; filename="keys.jsonl"'] = file
        body = b"".join(
            b"--edge\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (name.encode(), value)
            for name, value in parts.items()
        )
        with opener.open(self.request(path, body + b"--edge--\r\n", cookie)) as response:
            assert response.url.endswith(path.rpartition("import/")[0])

    def request(self, path: str, body: bytes | None = None, cookie: str = "") -> urllib.request.Request:
        """A request for a page, or a post of a form with a file in it."""
        headers = {"Cookie": f"sessionid={self.session}; {cookie}"}
        headers |= {"Content-Type": "multipart/form-data; boundary=edge"} if body else {}
        return urllib.request.Request(self.desk.http_url + path, body, headers)  # noqa: S310


def open_office(directory: Path) -> tuple[dict[str, str], str]:
    """Make a database with an operator; returns what its servers need in their environment, and the session."""
    database = Path(shutil.copy(database_template(), directory / "db.sqlite3"))
    key = {"DEBUG": "1", "SECRET_KEY": "the same key in each process", "DATABASE_URL": f"sqlite:///{database}"}
    return key, sign_in(environment(database, key))


def sign_in(env: Mapping[str, str]) -> str:
    """Make an operator in the database that the environment names; returns the session."""
    env = {**env, "DJANGO_SETTINGS_MODULE": "securecall_site.settings"}
    command = [sys.executable, "-c", SIGN_IN]
    return subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout.strip()
