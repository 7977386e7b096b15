"""Operators at a deployed server: what a browser is given, what replicas share, what is kept, what needs Redis."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.servers import ROOT, RunningServer, database_template, environment, server
from tests.support.services import NotInstalledError, RedisServer, redis_server, skip_or_fail

ADDRESS = "203.0.113.77"
AGENT = "the-agent-of-the-operator"


@dataclass
class Site:
    """Two processes of one server, with an operator who has a second factor."""

    here: RunningServer
    there: RunningServer
    database: Path
    redis: RedisServer
    password: str
    token: str
    backup_codes: list[str]


@dataclass
class Browser:
    """Keeps cookies; speaks through the platform's proxy, which ends TLS."""

    where: RunningServer
    address: str = ADDRESS
    cookies: dict[str, Morsel[str]] = field(default_factory=dict)

    def get(self, path: str) -> tuple[int, str]:
        return self._request("GET", path)

    def sign_in(self, username: str, password: str, code: str) -> tuple[int, str]:
        _, page = self.get("/admin/login/?next=/admin/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token is not None
        form = {"username": username, "password": password, "code": code, "csrfmiddlewaretoken": token[1]}
        return self._request("POST", "/admin/login/?next=/admin/", urlencode(form))

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = {
            "Host": "localhost",
            "X-Forwarded-Proto": "https",
            "X-Real-IP": self.address,
            "User-Agent": AGENT,
            "Referer": "https://localhost/admin/login/",
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": "; ".join(f"{name}={cookie.value}" for name, cookie in self.cookies.items()),
        }
        with closing(HTTPConnection(self.where.host, self.where.port, timeout=20)) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            for line in response.headers.get_all("Set-Cookie") or []:
                self.cookies.update(SimpleCookie(line))
            return response.status, response.read().decode()


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    try:
        with redis_server() as running:
            yield running
    except NotInstalledError as missing:
        skip_or_fail(missing)


@pytest.fixture(scope="module")
def site(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = Path(shutil.copy(database_template(), tmp_path_factory.mktemp("sign-in") / "db.sqlite3"))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT OR IGNORE INTO auth_group (name) VALUES ('operator')")
    env = {
        "DATABASE_URL": f"sqlite:///{database}",
        "REDIS_URL": redis.url,
        "COLLECTED": str(tmp_path_factory.mktemp("static")),
        "ADMIN_REQUIRE_2FA": "1",
        # A good hash of a password takes its time, so that two wrong ones must do.
        "LIMIT_SIGN_IN_FAILURES": "2",
        "TRUSTED_PROXIES": "127.0.0.0/8",
        "CLIENT_ADDRESS_HEADER": "x-real-ip",
    }
    variables = environment(database, env)
    subprocess.run([sys.executable, "-m", "tests.support.collected"], check=True, cwd=ROOT, env=variables)
    created = manage(variables, "createoperator", "olga", "--generate-password")
    password = re.search(r"only this once\): (\S+)", created)
    token = re.search("[0-9a-f]{40}", manage(variables, "drf_create_token", "olga"))
    assert password is not None
    assert token is not None
    backup_codes = re.findall(r"^  ([a-z2-7]{8})$", created, re.MULTILINE)
    application = "tests.support.collected:application"
    with server(env=env, application=application) as here, server("uvicorn", env=env, application=application) as there:
        yield Site(here, there, database, redis, password[1], token[0], backup_codes)


def manage(variables: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=variables).stdout


def test_operator_who_was_created_signs_in_with_password_and_code(site: Site) -> None:
    browser = Browser(site.here)
    assert browser.get("/admin/")[0] == 302
    assert browser.sign_in("olga", site.password, "000000")[0] == 200
    assert browser.get("/admin/")[0] == 302
    assert browser.sign_in("olga", site.password, site.backup_codes[0])[0] == 302
    assert browser.get("/admin/")[0] == 200
    # The session is good at every replica.
    assert Browser(site.there, cookies=browser.cookies).get("/admin/")[0] == 200


def test_cookies_are_for_this_host_over_tls_and_for_no_script(site: Site) -> None:
    browser = Browser(site.here)
    browser.sign_in("olga", site.password, site.backup_codes[1])
    assert set(browser.cookies) == {"__Host-csrftoken", "__Host-sessionid"}
    for cookie in browser.cookies.values():
        assert cookie["secure"] is True
        assert cookie["httponly"] is True
        assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "")
    assert browser.cookies["__Host-sessionid"]["max-age"] == str(12 * 60 * 60)


def test_plain_http_is_sent_to_https_and_gets_no_cookie(site: Site) -> None:
    with closing(HTTPConnection(site.here.host, site.here.port, timeout=20)) as connection:
        connection.request("GET", "/admin/login/", headers={"Host": "localhost"})
        response = connection.getresponse()
        assert (response.status, response.headers["Location"]) == (301, "https://localhost/admin/login/")
        assert response.headers["Set-Cookie"] is None


def test_lockout_holds_at_every_replica_and_for_one_address(site: Site) -> None:
    guesser = "198.51.100.66"
    assert Browser(site.here, guesser).sign_in("olga", "a guess", "000000")[0] == 200
    assert Browser(site.there, guesser).sign_in("olga", "another guess", "000000")[0] == 429
    for where in (site.here, site.there):
        status, page = Browser(where, guesser).sign_in("olga", site.password, site.backup_codes[2])
        assert status == 429
        assert "Wait 15 minutes" in page
    assert Browser(site.here, "198.51.100.67").sign_in("olga", site.password, site.backup_codes[2])[0] == 302


def test_operators_get_in_while_redis_is_away(site: Site) -> None:
    script = {"Authorization": f"Token {site.token}", "X-Forwarded-Proto": "https"}
    assert site.here.get("/api/status/", script)[0] == 200
    site.redis.stop()
    try:
        assert Browser(site.here, "203.0.113.4").sign_in("olga", site.password, site.backup_codes[4])[0] == 302
        assert site.here.get("/api/keys/", script)[0] == 200
        status, body = site.here.get("/api/status/", script)
    finally:
        site.redis.start()
    assert status == 503
    assert "Redis cannot be reached" in json.loads(body)["detail"]


def test_no_address_and_no_guess_in_tables_or_logs(site: Site) -> None:
    guess, agent_of_guess = "the-guess-of-somebody", "198.51.100.99"
    for _ in range(3):
        Browser(site.here, agent_of_guess).sign_in("name-typed-by-somebody", guess, "abcdefgh")
    assert Browser(site.here, "2001:db8:99::1").sign_in("olga", site.password, site.backup_codes[3])[0] == 302
    with closing(sqlite3.connect(site.database)) as connection:
        tables = "\n".join(connection.iterdump())
    log = site.here.log + site.there.log
    assert "axes_accessattempt" in tables
    assert "Locking out" in log
    secrets = (guess, agent_of_guess, "name-typed-by-somebody", ADDRESS, AGENT, "2001:db8", "198.51.100", "127.0.0.1")
    for secret in secrets:
        assert secret not in tables, secret
        assert secret not in log.replace("Uvicorn running on http://127.0.0.1", ""), secret
    assert site.password not in tables + log
