"""The operators' pages of the directory on a real server, where clients are connected while operators look."""

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from pkd.tests.owners import DIRECTORY, Identity, first, signed
from tests.support.office import Office, open_office
from tests.support.people import Person, frame
from tests.support.servers import RunningServer, eventually, server

LIST = "/admin/pkd/publickey/"


@pytest.fixture(scope="module", params=["memory", "two processes on redis"])
def office(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_database: Callable[[], str]
) -> Iterator[Office]:
    """A server or two with a database, and an operator who is signed in."""
    key, session = open_office(tmp_path_factory.mktemp("office"))
    key["DIRECTORY_NAME"] = DIRECTORY
    with ExitStack() as stack:
        if request.param == "memory":
            door = desk = stack.enter_context(server(env=key))
        else:
            shared = key | {"REDIS_URL": redis_database()}
            door, desk = (stack.enter_context(server(env=shared)) for _ in range(2))
        yield Office(desk, door, session)


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


async def test_erased_client_id_is_closed_at_once_on_every_process(office: Office) -> None:
    identity = Identity("erased")
    statement = first(identity, client_id="erased")
    async with Person(office.door.ws_url, "erased") as alice:
        await alice.registers()
        said = {"statement": statement.text, "signatures": {"identity": signed(statement, identity).identity}}
        await alice.send("PKD_REGISTER", clientId="erased", publicKey=identity.public, **said)
        await alice.expects("PKD_RESULT", status="signed")
        assert "Erased" in await asyncio.to_thread(office.decide, "erase_selected", "erased", "asked for")
        await alice.expects_close(4409)
    async with Person(office.door.ws_url, "erased") as stranger:
        await stranger.send("REGISTER", clientId="erased")
        assert "challenge" not in await stranger.expects("ERROR", code="NOT_REGISTERED")


async def test_script_disconnects_ends_calls_and_decides_about_keys_on_any_process(office: Office) -> None:
    async with Person(office.door.ws_url, "frank") as frank, Person(office.door.ws_url, "grace") as grace:
        await frank.registers()
        await grace.registers()
        await publishes(frank, "frank's key")
        call_id = await frank.talks_to(grace)
        assert await script(office, f"calls/{call_id}/end") == (200, {"callId": call_id})
        for person in (frank, grace):
            assert await person.expects("CALL_ENDED") == {"callId": call_id, "reason": "operator"}
        status, key = await script(office, "keys/frank/revoke")
        assert (status, key["revoked"]) == (200, True)
        assert await script(office, "clients/frank/disconnect") == (200, {"clientId": "frank"})
        await frank.expects_close(4503, "disconnected by operator")
        assert (await script(office, "keys/grace/release"))[0] == 404
        await publishes(grace, "grace's key")
        assert (await script(office, "keys/grace/release"))[0] == 200
        await grace.expects_close(4503, "disconnected by operator")


async def test_ban_of_a_network_counts_on_every_process_until_it_is_lifted(office: Office) -> None:
    async with Person(office.door.ws_url, "erin") as erin:
        await erin.registers()
        body = {"network": "127.0.0.1", "seconds": 60, "reason": "said by a script"}
        status, ban = await asyncio.to_thread(office.ask, "/api/bans/", **body)
        assert (status, ban["network"]) == (200, "127.0.0.1/32")
        await erin.expects_close(4503, "disconnected by operator")
    for process in (office.door, office.desk):
        with pytest.raises(InvalidStatus, match="403"):
            async with Person(process.ws_url, "erin"):
                pass
    assert (await script(office, f"bans/{ban['id']}/lift"))[0] == 200
    async with Person(office.desk.ws_url, "erin") as erin:
        await erin.registers()
        assert "127.0.0.1/32" not in office.door.log + office.desk.log


async def script(office: Office, act: str) -> tuple[int, dict[str, Any]]:
    return await asyncio.to_thread(office.ask, f"/api/{act}/", reason="said by a script")


async def test_export_is_streamed_and_imported_again(office: Office) -> None:
    async with Person(office.door.ws_url, "carol") as carol:
        await carol.registers()
        await publishes(carol, "carol's key")
    exported = await asyncio.to_thread(office.get, f"{LIST}export/jsonl/?q=carol")
    line = json.loads(exported)
    assert (line["clientId"], line["publicKey"], line["changes"]) == ("carol", "carol's key", 0)
    assert "carol's key" in await asyncio.to_thread(office.get, f"{LIST}export/csv/")
    # More than the server keeps of a body in memory.
    file = b"\n".join(b'{"clientId": "client-%d", "publicKey": "%s"}' % (n, b"k" * 8_000) for n in range(400))
    file += b"\n" + exported.encode()
    await asyncio.to_thread(office.upload, f"{LIST}import/", file, "moved")
    line = json.loads(await asyncio.to_thread(office.get, f"{LIST}export/jsonl/?q=client-399"))
    assert [(change["kind"], change["who"], change["reason"]) for change in line["history"]] == [
        ("imported", "olga", "moved")
    ]
    assert await asyncio.to_thread(office.get, f"{LIST}export/jsonl/?q=carol") == exported
    async with Person(office.door.ws_url, "dave") as dave:
        await dave.registers()
        await dave.send("PKD_LOOKUP", clientId="client-399")
        await dave.expects("PKD_RESULT", publicKey="k" * 8_000)


# A little less than the server takes.
UPLOAD_BYTES = 31 * 1024 * 1024


async def test_upload_is_not_held_in_memory_many_times(office: Office) -> None:
    def post_without_a_token() -> None:
        body = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        body += b"x" * UPLOAD_BYTES + b"\r\n--edge--\r\n"
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.build_opener().open(office.request("/admin/login/", body))
        refused.value.close()

    before = peak_bytes(office.desk)
    await asyncio.to_thread(post_without_a_token)
    assert peak_bytes(office.desk) - before < 3 * UPLOAD_BYTES


def peak_bytes(running: RunningServer) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024
