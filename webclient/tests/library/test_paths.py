"""The path of media, and another one when it breaks."""

import asyncio
import base64
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.servers import RunningServer, server
from tests.support.services import Coturn
from tests.support.webrtc import Peer
from webclient.tests.conftest import PAGE_SERVER
from webclient.tests.library.conftest import OpenAnyClient, OpenClient
from webclient.tests.library.liar import Liar
from webclient.tests.library.network import Gateway, Line

pytestmark = pytest.mark.asyncio(loop_scope="session")

UFRAG = re.compile(r"a=ice-ufrag:.*")
RELAY_ONLY: dict[str, Any] = {"rtcConfiguration": {"iceTransportPolicy": "relay"}}


async def test_broken_path_is_replaced(open_client: OpenClient, coturn_server: Coturn) -> None:
    async with Gateway.to(coturn_server.port) as gateway:
        relay = {
            "TURN_SECRET": coturn_server.secrets[0],
            "TURN_URLS": f"turn:127.0.0.1:{gateway.port}?transport=udp",
        }
        with server(env={**PAGE_SERVER, **relay}) as running:
            alice = await open_client("alice", running.port, **RELAY_ONLY)
            bob = await open_client("bob", running.port, **RELAY_ONLY)
            await alice.talks_to(bob)
            await alice.expects("path", kind="relayed", localType="relay", remoteType="relay", protocol="udp")
            gateway.forget()
            await alice.expects("call", state="reconnecting")
            await alice.expects("call", state="connected")
            # Whoever did not notice in the few seconds that it took has stayed connected all the time.
            await bob.until("client.currentCall?.state === 'connected'")
            await alice.expects("path", kind="relayed")
            await alice.does("client.hangUp()")
            await bob.expects("call", state="ended", reason="hung-up")


async def test_relay_of_the_peer_is_told_although_its_check_came_before_its_candidate(
    open_any_client: OpenAnyClient, open_client: OpenClient, liar: Liar
) -> None:
    held: list[dict[str, Any]] = []

    def of_no_call(payload: dict[str, Any]) -> dict[str, Any]:
        held.append(payload)
        return payload | {"callId": "none"}

    liar.lies("ICE_CANDIDATE", of_no_call)
    alice, bob = await open_any_client("alice", liar.port), await open_client("bob", **RELAY_ONLY)
    await alice.calls(bob)
    await bob.accepts()
    await alice.expects("path", kind="direct", remoteType="prflx")
    for payload in held:
        await liar.tells("ICE_CANDIDATE", payload)
    await alice.expects("path", kind="relayed", remoteType="relay")


def minted_later(server: dict[str, str], secret: str) -> dict[str, str]:
    """Mint the credential that a minute later would bring; those of one second are the same."""
    expiry, client_id = server["username"].split(":")
    username = f"{int(expiry) + 60}:{client_id}"
    password = base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()
    return server | {"username": username, "credential": password}


def restarts_in(liar: Liar) -> list[str]:
    """Return the offers and answers that bring another way, apart from the pair that brings the data channel."""
    candidates = [it["candidate"] for it in liar.heard("ICE_CANDIDATE")]
    sent = [it["description"] for it in candidates if "description" in (it or "")]
    assert [it["type"] for it in sent] == ["offer", "answer"]
    # A caller that comes back may place its call again.
    offer, accept = liar.heard("CALL_INITIATE")[0], liar.heard("CALL_ACCEPT")[0]
    first = {*UFRAG.findall(offer["sdpOffer"]), *UFRAG.findall(accept["sdpAnswer"])}
    return [it["type"] for it in sent if not first.issuperset(UFRAG.findall(it["sdp"]))]


async def test_call_that_is_answered_restarts_nothing(
    open_any_client: OpenAnyClient, liar: Liar, coturn_server: Coturn
) -> None:
    alice, bob = await open_any_client("alice", liar.port), await open_any_client("bob", liar.port)

    def renewed(payload: dict[str, Any]) -> dict[str, Any]:
        secret = coturn_server.secrets[0]
        return payload | {"iceServers": [minted_later(server, secret) for server in payload["iceServers"]]}

    liar.lies("CALL_ACCEPTED", renewed)
    await alice.talks_to(bob)
    for person in (alice, bob):
        await person.asks_often()
    assert restarts_in(liar) == []


async def test_call_whose_caller_came_back_while_it_rang_restarts_nothing(
    open_any_client: OpenAnyClient, liar: Liar, coturn_server: Coturn
) -> None:
    async with Line.to(liar.port) as line:
        alice, bob = await open_any_client("alice", line.port), await open_any_client("bob", liar.port)
        call_id = await alice.calls(bob)

        def renewed(payload: dict[str, Any]) -> dict[str, Any]:
            secret = coturn_server.secrets[0]
            return payload | {"iceServers": [minted_later(server, secret) for server in payload["iceServers"]]}

        liar.lies("REGISTERED", renewed)
        line.mend()
        await alice.comes_back()
        await bob.accepts()
        for person in (alice, bob):
            await person.expects("call", state="connected", callId=call_id)
            await person.expects("peerstate", takesData=True)
        for person in (alice, bob):
            await person.asks_often()
        assert restarts_in(liar) == []


async def test_offer_that_restarts_ice_is_taken_beside_another_one(
    open_any_client: OpenAnyClient, library_server: RunningServer
) -> None:
    async with Line.to(library_server.port) as line:
        alice, bob = await open_any_client("alice"), await open_any_client("bob", line.port)
        await alice.talks_to(bob)
        line.hold()
        await alice.does("client.peerConnection.restartIce()")
        await alice.until("client.peerConnection.signalingState === 'have-local-offer'")
        await bob.does(
            "media({video: true}).then((stream) => client.replaceTrack('video', stream.getVideoTracks()[0]))"
        )
        await bob.until("client.peerConnection.signalingState === 'have-local-offer'")
        line.release()
        await alice.expects("remotestream", hasVideo=True)


async def test_credentials_are_renewed_during_a_call(open_client: OpenClient, coturn_server: Coturn) -> None:
    relay = {"TURN_SECRET": coturn_server.secrets[0], "TURN_URLS": coturn_server.url("udp"), "TURN_TTL_SECONDS": "60"}
    with server(env={**PAGE_SERVER, **relay}) as running:
        alice, bob = await open_client("alice", running.port, alters_page=True), await open_client("bob", running.port)
        # As if most of the minute was over.
        await alice.page.clock.set_fixed_time(datetime.now(UTC) + timedelta(seconds=56))
        await alice.talks_to(bob)
        expiry = "Number(client.peerConnection.getConfiguration().iceServers[0].username.split(':')[0])"
        first = await alice.does(expiry)
        await alice.until(f"{expiry} > {first}")


# Of these each browser refuses some, and with them all the good ones beside.
ODD_SERVERS: list[Any] = [
    {"urls": "stuns:127.0.0.1:5349"},
    {"urls": "turn:127.0.0.1:5060?transport=udp", "username": "1:alice", "credential": "secret"},
    {"urls": "turn:127.0.0.1:3478?transport=sctp", "username": "1:alice", "credential": "secret"},
    {"urls": "turn:127.0.0.1:3479"},
    {"urls": ["stun:127.0.0.1:3480", "http://127.0.0.1"]},
    {"urls": []},
    {},
    None,
]
REFUSED_BY_ALL = ["turn:127.0.0.1:3478?transport=sctp", "turn:127.0.0.1:3479", "http://127.0.0.1", "undefined"]
REFUSED_BY_FIREFOX = ["stuns:127.0.0.1:5349", "turn:127.0.0.1:5060?transport=udp"]


async def test_servers_that_the_browser_refuses_are_left_out(open_any_client: OpenAnyClient, liar: Liar) -> None:
    for message_type in ("REGISTERED", "INCOMING_CALL", "CALL_ACCEPTED", "TURN_CREDENTIALS"):
        liar.lies(message_type, lambda payload: payload | {"iceServers": [*ODD_SERVERS, *payload["iceServers"]]})
    alice = await open_any_client("alice", liar.port, **RELAY_ONLY)
    bob = await open_any_client("bob", liar.port, **RELAY_ONLY)
    for _ in range(2):
        await alice.talks_to(bob)
        await alice.does("client.hangUp()")
        await bob.expects("call", state="ended", reason="hung-up")
    is_firefox = await alice.does("navigator.userAgent.includes('Firefox')")
    for person in (alice, bob):
        for url in [*(REFUSED_BY_FIREFOX if is_firefox else []), *REFUSED_BY_ALL]:
            error = await person.expects("error", code="ice-server-refused")
            assert f"refuses the relay server {url}," in error["message"]


async def test_refused_credentials_are_told_at_once(open_client: OpenClient, coturn_server: Coturn) -> None:
    relay = {"TURN_SECRET": "a secret that the relay does not share", "TURN_URLS": coturn_server.url("tcp")}
    with server(env={**PAGE_SERVER, **relay}) as running:
        alice = await open_client("alice", running.port, **RELAY_ONLY)
        bob = await open_client("bob", running.port, **RELAY_ONLY)
        await alice.does(f"media({{audio: true}}).then((stream) => client.call('{bob.id}', stream))")
        await alice.expects("error", code="relay-refused")
        ended = await alice.expects("call", state="ended", reason="media-failed")
        assert "refused the credentials" in ended["sentence"]
        await bob.expects("call", state="ended", reason="media-failed", endedBy="peer")


async def test_client_that_knows_only_the_reference_is_called(
    open_client: OpenClient, library_server: RunningServer
) -> None:
    """Another implementation, through the relay, which gets nothing but the reference's messages."""
    alice = await open_client("alice", **RELAY_ONLY)
    async with Peer(library_server.ws_url, f"peer-{secrets.token_hex(3)}") as bob:
        await alice.does(f"media({{audio: true}}).then((stream) => client.call('{bob.id}', stream))")
        candidates = await bob.picks_up()
        await asyncio.gather(bob.trickles(candidates), bob.takes_candidates())
        await alice.expects("verification", status="unsigned")
        await alice.expects("call", state="connected")
        await alice.expects("path", kind="relayed")
        await bob.hears(5)
        await alice.does("client.hangUp()")
        await alice.expects("call", state="ended")
