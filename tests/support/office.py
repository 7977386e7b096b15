"""An operator who is signed in to the admin of real servers."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.servers import ROOT, RunningServer, database_template, environment

# What a script of the operator sends.
TOKEN = "0123456789abcdef0123456789abcdef01234567"
# Signs a superuser in, as the admin's sign-in page does, and prints the cookie.
SIGN_IN = f"""
import django; django.setup()
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.authtoken.models import Token
browser, olga = Client(), User.objects.filter(username="olga").first() or User.objects.create_superuser("olga")
browser.force_login(olga)
Token.objects.get_or_create(user=olga, key="{TOKEN}")
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

    def ask(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        """Ask the operators' API, or have it do something with what `body` says."""
        headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
        if body:
            status, text = self.desk.post(path, json.dumps(body).encode(), headers)
        else:
            status, text = self.desk.get(path, headers)
        return status, json.loads(text)

    def upload(self, path: str, file: bytes, reason: str) -> None:
        """Post a file as a browser does."""
        url, _ = self._post(path, {'name="reason"': reason, 'name="file"; filename="keys.jsonl"': file})
        assert url.endswith(path.rpartition("import/")[0])

    def decide(self, action: str, client_id: str, reason: str) -> str:
        """Choose an action for a client ID in the list of keys, and confirm it; returns the page that follows."""
        keys = "/admin/pkd/publickey/"
        number = re.findall(rf'href="{keys}(\d+)/change/[^"]*">{client_id}<', self.get(keys))[0]
        chosen = {'name="action"': action, 'name="_selected_action"': number}
        _, page = self._post(keys, chosen | {'name="index"': "0"})
        fingerprint = re.findall(r'name="fingerprint" value="(\w*)"', page)[0]
        confirmed = {'name="confirmed"': "yes", 'name="fingerprint"': fingerprint, 'name="reason"': reason}
        return self._post(keys, chosen | confirmed)[1]

    def _post(self, path: str, parts: Mapping[str, str | bytes]) -> tuple[str, str]:
        """Post a form; returns the URL and the text of the page that follows."""
        opener = urllib.request.build_opener()
        with opener.open(self.request(path)) as response:
            token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', response.read().decode())[0]
            cookie = response.headers["Set-Cookie"].split(";")[0]
        body = b"".join(
            b"--edge\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n"
            % (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in {'name="csrfmiddlewaretoken"': token, **parts}.items()
        )
        with opener.open(self.request(path, body + b"--edge--\r\n", cookie)) as response:
            return response.url, response.read().decode()

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
