"""The operators' pages of the directory on a real server, where clients are connected while operators look."""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.people import Person, frame
from tests.servers import ROOT, RunningServer, database_template, environment, eventually, server

LIST = "/admin/pkd/publickey/"
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
    """Where an operator looks at one process, and clients connect to perhaps another."""

    desk: RunningServer
    door: RunningServer
    session: str

    def get(self, path: str) -> str:
        status, text = self.desk.get(path, {"Cookie": f"sessionid={self.session}"})
        assert status == 200
        return text


@pytest.fixture(scope="module", params=["memory", "two processes on redis"])
def office(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_database: Callable[[], str]
) -> Iterator[Office]:
    """A server or two with a database, and an operator who is signed in."""
    database = Path(shutil.copy(database_template(), tmp_path_factory.mktemp("office") / "db.sqlite3"))
    key = {"DEBUG": "1", "SECRET_KEY": "the same key in each process", "DATABASE_URL": f"sqlite:///{database}"}
    env = environment(database, key | {"DJANGO_SETTINGS_MODULE": "securecall_site.settings"})
    session = subprocess.run([sys.executable, "-c", SIGN_IN], cwd=ROOT, env=env, check=True, capture_output=True)
    with ExitStack() as stack:
        if request.param == "memory":
            door = desk = stack.enter_context(server(env=key))
        else:
            shared = key | {"REDIS_URL": redis_database()}
            door, desk = (stack.enter_context(server(env=shared)) for _ in range(2))
        yield Office(desk, door, session.stdout.decode().strip())


async def publishes(person: Person, key: str) -> None:
    await person.send_raw(frame("PKD_REGISTER", {"clientId": person.id, "publicKey": key}))
    await person.expects("PKD_RESULT")


def row_of(page: str, client_id: str) -> str:
    (row,) = (row for row in page.split("<tr") if f">{client_id}<" in row)
    return row


async def eventually_offline(office: Office, client_id: str) -> None:
    """Wait until the server has noticed that a client left."""

    def look() -> bool | None:
        return "icon-no" in row_of(office.get(LIST), client_id) or None

    await asyncio.to_thread(eventually, look, lambda: f"{client_id} is still online", 10)


async def test_list_and_page_show_who_is_online(office: Office) -> None:
    async with Person(office.door.ws_url, "alice") as alice:
        await alice.registers()
        async with Person(office.door.ws_url, "bob") as bob:
            await bob.registers()
            await publishes(alice, "alice's key")
            await publishes(bob, "bob's key")
        await eventually_offline(office, "bob")
        page = await asyncio.to_thread(office.get, LIST)
        assert "icon-yes" in row_of(page, "alice")
        link = re.findall(rf'href="({LIST}\d+/change/[^"]*)">alice<', page)[0]
        assert "icon-yes" in await asyncio.to_thread(office.get, link)
