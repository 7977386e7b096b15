"""The library in Firefox."""

import pytest

from webclient.tests.library.conftest import OpenFirefoxClient

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_firefox_calls_firefox(open_firefox_client: OpenFirefoxClient) -> None:
    alice, bob = await open_firefox_client("alice"), await open_firefox_client("bob")
    await alice.talks_to(bob, "{audio: true, video: true}")
    await alice.does("client.hangUp()")
    await bob.expects("call", state="ended", reason="hung-up", endedBy="peer")


async def test_path_tells_what_it_carries(open_firefox_client: OpenFirefoxClient) -> None:
    alice, bob = await open_firefox_client("alice"), await open_firefox_client("bob")
    await alice.talks_to(bob)
    await alice.expects("path", kind="direct", protocol="udp")
    for count in ("bytesSent", "bytesReceived", "sentBitsPerSecond", "receivedBitsPerSecond"):
        await alice.until(f"client.path.{count} > 0")
