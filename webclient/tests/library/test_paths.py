"""How media finds its way, and finds another one."""

import pytest

from tests.servers import server
from tests.services import Coturn
from tests.webrtc import Peer
from webclient.tests.conftest import PAGE_SERVER
from webclient.tests.library.conftest import OpenClient
from webclient.tests.library.network import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

RELAY_ONLY = {"rtcConfiguration": {"iceTransportPolicy": "relay"}}


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
            await bob.expects("call", state="connected")
            await alice.expects("path", kind="relayed")
            await alice.does("client.hangUp()")
            await bob.expects("call", state="ended", reason="hung-up")
