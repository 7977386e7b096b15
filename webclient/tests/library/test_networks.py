"""Calls through relays over UDP, TCP and TLS, over ways that change, and with losses and delays; in both browsers."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest
import pytest_asyncio
import trustme
from playwright.async_api import Browser, async_playwright

from tests.support.servers import RunningServer, server
from tests.support.services import Coturn
from tests.support.services.coturn import coturn
from tests.support.services.process import executable
from webclient.tests.browsers import CHROMIUM_OPTIONS
from webclient.tests.conftest import PAGE_SERVER
from webclient.tests.firefox import Firefox, start_firefox
from webclient.tests.library.conftest import OpenAnyClient
from webclient.tests.library.network import Gateway
from webclient.tests.library.profiles import ChromiumProfiles, FirefoxProfiles
from webclient.tests.library.test_paths import RELAY_ONLY

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long, pytest.mark.timeout(240)]

SECRET = "the secret of the relay that speaks TLS"
LOST, DELAY_SECONDS = 0.05, 0.2
HEARS = """
(async () => {
  const stats = [...(await client.peerConnection.getStats()).values()];
  const sound = stats.find(({ type, kind }) => type === "inbound-rtp" && kind === "audio");
  return sound?.packetsReceived > 100;
})()
"""
UFRAG = "/a=ice-ufrag:(.*)/.exec(client.peerConnection.currentLocalDescription.sdp)[1]"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who issued the relay's certificate."""
    return trustme.CA()


@pytest.fixture(scope="module")
def relay(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    """A relay that speaks UDP, TCP and TLS."""
    certificate = tmp_path_factory.mktemp("relay") / "relay.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    # Coturn gives up root's rights before it reads it.
    certificate.chmod(0o644)
    with coturn([SECRET], certificate) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A Chromium that checks no certificate: it would trust the system's authorities alone."""
    async with async_playwright() as playwright:
        arguments = [*CHROMIUM_OPTIONS, "--ignore-certificate-errors"]
        program = executable("chromium", "chromium")
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Firefox]:
    """A Firefox that trusts the authority, and checks."""
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    async with start_firefox(file) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chromium_profiles(chromium: Browser, library_server: RunningServer) -> ChromiumProfiles:
    """Lends pages of this Chromium."""
    return ChromiumProfiles(chromium, library_server.port)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox_profiles(firefox: Firefox, library_server: RunningServer) -> FirefoxProfiles:
    """Lends windows of this Firefox."""
    return FirefoxProfiles(firefox, library_server.port)


ServerWith = Callable[[str], RunningServer]


@pytest.fixture(scope="module")
def server_with() -> Iterator[ServerWith]:
    """Starts a server whose clients are told of one relay, once for each relay."""
    running: dict[str, RunningServer] = {}
    with ExitStack() as stack:

        def start(url: str) -> RunningServer:
            if url not in running:
                env = {**PAGE_SERVER, "TURN_SECRET": SECRET, "TURN_URLS": url}
                running[url] = stack.enter_context(server(env=env))
            return running[url]

        yield start


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_relay_carries_the_call_over(
    transport: str, open_any_client: OpenAnyClient, relay: Coturn, server_with: ServerWith
) -> None:
    # By its name: Firefox passes over TLS relays that are named by an address, without an error.
    url = f"turns:localhost:{relay.port}?transport=tcp" if transport == "tls" else relay.url(transport)
    port = server_with(url).port
    alice, bob = [await open_any_client(name, port, **RELAY_ONLY) for name in ("alice", "bob")]
    await alice.talks_to(bob)
    for person in (alice, bob):
        await person.expects("path", kind="relayed", localType="relay", remoteType="relay", protocol=transport)
        await person.until(HEARS)


async def test_ice_that_is_restarted_finds_another_way_without_a_break(
    open_any_client: OpenAnyClient, relay: Coturn, server_with: ServerWith
) -> None:
    port = server_with(relay.url("udp")).port
    alice, bob = await open_any_client("alice", port), await open_any_client("bob", port)
    await alice.talks_to(bob)
    for person, peer in ((alice, bob), (bob, alice)):
        before = [await each.does(UFRAG) for each in (alice, bob)]
        await person.does("client.peerConnection.restartIce()")
        for each, old in zip((alice, bob), before, strict=True):
            await each.until(f"{UFRAG} !== {old!r}")
            await each.until("client.peerConnection.connectionState === 'connected'")
        await peer.until(HEARS)
    for person in (alice, bob):
        assert await person.does("client.currentCall.state") == "connected"


async def test_way_that_breaks_is_replaced(
    open_any_client: OpenAnyClient, relay: Coturn, server_with: ServerWith
) -> None:
    async with Gateway.to(relay.port) as gateway:
        port = server_with(f"turn:127.0.0.1:{gateway.port}?transport=udp").port
        alice, bob = (
            await open_any_client("alice", port, **RELAY_ONLY),
            await open_any_client("bob", port, **RELAY_ONLY),
        )
        await alice.talks_to(bob)
        await alice.expects("path", kind="relayed")
        gateway.forget()
        await alice.expects("call", state="reconnecting")
        await alice.expects("call", state="connected")
        await bob.until("client.currentCall.state === 'connected'")
        await alice.until(HEARS)


async def test_call_stands_with_losses_and_delays(
    open_any_client: OpenAnyClient, relay: Coturn, server_with: ServerWith
) -> None:
    async with Gateway.to(relay.port, LOST, DELAY_SECONDS) as gateway:
        port = server_with(f"turn:127.0.0.1:{gateway.port}?transport=udp").port
        alice, bob = (
            await open_any_client("alice", port, **RELAY_ONLY),
            await open_any_client("bob", port, **RELAY_ONLY),
        )
        await alice.talks_to(bob, "{audio: true, video: true}")
        for person in (alice, bob):
            await person.until(HEARS)
            # Both sides are behind the gateway, there and back.
            await person.until(f"client.path?.roundTripMs >= {4 * DELAY_SECONDS * 1000}")
            assert await person.does("client.currentCall.state") == "connected"
        await alice.does("client.hangUp()")
        await bob.expects("call", state="ended", reason="hung-up")
