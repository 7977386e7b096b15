"""Clients and calls by script: listed, disconnected, ended, as in the admin."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import AsyncClient
from rest_framework.authtoken.models import Token

from operators.console.tests.conftest import OPERATING, VIEWING, Join
from signaling.tests.people import Person, call

pytestmark = [pytest.mark.usefixtures("here"), pytest.mark.django_db(transaction=True)]

REASON = {"reason": "a stolen phone"}


class Script:
    """A script with the token of somebody on the staff."""

    def __init__(self, token: str) -> None:
        self._client = AsyncClient()
        self._headers = {"Authorization": f"Token {token}"}

    async def get(self, path: str) -> tuple[int, Any]:
        """Ask for something."""
        response = await self._client.get(path, headers=self._headers)
        return response.status_code, response.json()

    async def post(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Have something done."""
        sent = REASON if body is None else body
        response = await self._client.post(path, sent, content_type="application/json", headers=self._headers)
        return response.status_code, response.json()


@sync_to_async
def script(*permissions: str) -> Script:
    user = User.objects.create_user("olga", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return Script(Token.objects.create(user=user).key)


async def pair(join: Join) -> tuple[Person, Person]:
    return await (await join()).register("alice"), await (await join()).register("bob")


async def test_clients_and_calls_are_listed_and_searched(join: Join) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    olga = await script(*VIEWING)
    status, clients = await olga.get("/api/clients/?search=ALI")
    assert (status, clients["count"], clients["silentClients"]) == (200, 1, 0)
    assert clients["results"][0].items() >= {"clientId": "alice", "calls": 1}.items()
    assert (await olga.get("/api/clients/"))[1]["count"] == 2
    _, calls = await olga.get("/api/calls/?search=bob")
    (found,) = calls["results"]
    assert found.pop("ageSeconds") >= 0
    assert found == {"callId": call_id, "callerId": "alice", "calleeId": "bob", "state": "active"}
    assert (await olga.get(f"/api/calls/?search={'x' * 65}"))[0] == 400
    assert (await olga.get("/api/calls/?caller=alice"))[0] == 400


async def test_client_is_disconnected_and_that_is_logged(join: Join) -> None:
    _, bob = await pair(join)
    assert await (await script(*OPERATING)).post("/api/clients/bob/disconnect/") == (200, {"clientId": "bob"})
    await bob.expects_close(4503)
    entry = await LogEntry.objects.select_related("user", "content_type").aget()
    assert (entry.user.username, entry.object_id, entry.content_type.model) == ("olga", "bob", "presence")  # type: ignore[union-attr]
    assert entry.change_message == "Disconnected: a stolen phone"


async def test_call_is_ended_and_that_is_logged_by_its_id_alone(join: Join) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    assert await (await script(*OPERATING)).post(f"/api/calls/{call_id}/end/") == (200, {"callId": call_id})
    for person in (alice, bob):
        await person.expects("CALL_ENDED", callId=call_id, reason="operator")
    entry = await LogEntry.objects.aget()
    assert (entry.object_id, entry.change_message) == (call_id, "Ended: a stolen phone")


async def test_acting_takes_a_reason(join: Join) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    olga = await script(*OPERATING)
    for path in ("/api/clients/alice/disconnect/", f"/api/calls/{call_id}/end/"):
        for body in ({}, {"reason": " "}, {"reason": "x" * 501}):
            assert (await olga.post(path, body))[0] == 400
    await alice.expects_nothing()
    assert not await LogEntry.objects.aexists()


async def test_what_is_not_there_is_said_and_not_logged() -> None:
    olga = await script(*OPERATING)
    for path in ("/api/clients/carol/disconnect/", "/api/calls/a-call-of-nobody/end/"):
        status, body = await olga.post(path)
        assert (status, "nothing was done" in body["detail"]) == (404, True)
    assert not await LogEntry.objects.aexists()


@pytest.mark.parametrize("permissions", [(), VIEWING, ("disconnect_client", "end_call")])
async def test_viewing_and_acting_are_permissions_of_their_own(permissions: tuple[str, ...], join: Join) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    olga = await script(*permissions)
    for path in ("/api/clients/alice/disconnect/", f"/api/calls/{call_id}/end/"):
        assert (await olga.post(path))[0] == 403
    for path in ("/api/clients/", "/api/calls/"):
        assert (await olga.get(path))[0] == (200 if permissions == VIEWING else 403)
    await alice.expects_nothing()
