"""Minted credentials against a real coturn."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint
from pytest_django import Settings

from tests.support.services import Coturn
from turn.credentials import LAST_EXPIRY, Credential, TurnSettings, mint
from turn.ice import ice_servers

UNAUTHORIZED = 401
CLIENT_ID = "alice"
ANSWER_SECONDS = 10
RESEND_SECONDS = 0.5

pytestmark = pytest.mark.parametrize("transport", ["udp", "tcp"])


class Peer(asyncio.DatagramProtocol):
    """What one side of the relay hears, and whether it is gone."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.gone = asyncio.Event()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.put_nowait((data, addr))

    def connection_lost(self, _error: Exception | None) -> None:
        self.gone.set()


@asynccontextmanager
async def allocation(relay: Coturn, credential: Credential, transport: str) -> AsyncIterator[tuple[Any, Peer]]:
    """An allocation on the relay while the block runs."""
    endpoint, peer = await create_turn_endpoint(
        Peer, (relay.host, relay.port), credential.username, credential.password, transport=transport
    )
    try:
        yield endpoint, peer
    finally:
        endpoint.close()
        await peer.gone.wait()


async def refusal(relay: Coturn, credential: Credential, transport: str) -> int | None:
    """The error code with which the relay refuses the credential."""
    with pytest.raises(TransactionFailed) as refused:
        async with allocation(relay, credential, transport):
            pass
    # The client closes its socket in the loop's next round.
    await asyncio.sleep(0)
    return refused.value.response.error_code


async def send_until_heard(endpoint: Any, data: bytes, to: Any, hearer: tuple[Peer, Any]) -> None:
    """Send a datagram again and again until the other side hears it, from its sender's relayed address.

    A relay drops what comes before its own side's permission stands, and says so to neither.
    """
    peer, sender = hearer
    while True:
        endpoint.sendto(data, to)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESEND_SECONDS):
                while (heard := await peer.heard.get()) != (data, sender):
                    assert heard[1] == sender
                return


def in_an_hour() -> int:
    return int(time.time()) + 3600


async def test_minted_credentials_relay_data_both_ways(
    coturn_server: Coturn, settings: Settings, transport: str
) -> None:
    settings.TURN = TurnSettings(secrets=coturn_server.secrets, urls=(coturn_server.url(transport),))
    alice_server, bob_server = (ice_servers(client_id)[0] for client_id in ("alice", "bob"))
    alice_credential = Credential(alice_server["username"], alice_server["credential"])
    bob_credential = Credential(bob_server["username"], bob_server["credential"])

    async with (
        asyncio.timeout(ANSWER_SECONDS),
        allocation(coturn_server, alice_credential, transport) as (alice, heard_by_alice),
        allocation(coturn_server, bob_credential, transport) as (bob, heard_by_bob),
    ):
        alice_address = alice.get_extra_info("sockname")
        bob_address = bob.get_extra_info("sockname")
        # Each side sends first once: a relay lets in only those whom its own side has written to (RFC 8656, section 9).
        bob.sendto(b"opens the way", alice_address)
        await send_until_heard(alice, b"from alice", bob_address, (heard_by_bob, alice_address))
        await send_until_heard(bob, b"from bob", alice_address, (heard_by_alice, bob_address))


@pytest.mark.parametrize("position", [0, 1])
async def test_each_of_two_secrets_is_accepted(coturn_server: Coturn, transport: str, position: int) -> None:
    credential = mint(coturn_server.secrets[position], CLIENT_ID, in_an_hour())

    async with allocation(coturn_server, credential, transport) as (endpoint, _):
        assert endpoint.get_extra_info("sockname")[0] == coturn_server.host


async def test_expired_credential_is_refused(coturn_server: Coturn, transport: str) -> None:
    # Its clock may be seconds behind on a busy machine.
    credential = mint(coturn_server.secrets[0], CLIENT_ID, int(time.time()) - 60)

    assert await refusal(coturn_server, credential, transport) == UNAUTHORIZED


async def test_credential_with_a_later_expiry_than_minted_is_refused(coturn_server: Coturn, transport: str) -> None:
    minted = mint(coturn_server.secrets[0], CLIENT_ID, in_an_hour())
    tampered = Credential(f"{in_an_hour() + 3600}:{CLIENT_ID}", minted.password)

    assert await refusal(coturn_server, tampered, transport) == UNAUTHORIZED


async def test_credential_for_another_client_is_refused(coturn_server: Coturn, transport: str) -> None:
    minted = mint(coturn_server.secrets[0], CLIENT_ID, in_an_hour())
    tampered = Credential(minted.username.replace(CLIENT_ID, "mallory"), minted.password)

    assert await refusal(coturn_server, tampered, transport) == UNAUTHORIZED


async def test_credential_of_a_foreign_secret_is_refused(coturn_server: Coturn, transport: str) -> None:
    credential = mint("a secret of somebody else's", CLIENT_ID, in_an_hour())

    assert await refusal(coturn_server, credential, transport) == UNAUTHORIZED


async def test_coturn_takes_the_last_expiry_and_no_later_one(coturn_server: Coturn, transport: str) -> None:
    secret = coturn_server.secrets[0]

    async with allocation(coturn_server, mint(secret, CLIENT_ID, LAST_EXPIRY), transport):
        pass
    assert await refusal(coturn_server, mint(secret, CLIENT_ID, LAST_EXPIRY + 1), transport) == UNAUTHORIZED
