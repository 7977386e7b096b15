"""The example of docs/client.md that needs no bundler; those for React and Vue are run by `make package`."""

import pytest

from webclient.tests.guide import example
from webclient.tests.library.clients import Client, Document
from webclient.tests.library.conftest import OpenClient, OpenFirefoxClient

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = """
async () => {
  document.body.innerHTML = "<video autoplay muted playsinline></video><button>Call</button>";
  window.confirm = () => true;
  %s
}
"""


async def runs(client: Client[Document], peer: Client[Document]) -> None:
    """Run the example in a page, as this client."""
    script = example("plain.js")
    for before, after in (
        ('import { SecureCall } from "securecall-client";', ""),
        ("wss://host/signal", "/signal"),
        ('"alice"', f'"{client.id}"'),
        ('"bob"', f'"{peer.id}"'),
    ):
        assert before in script
        script = script.replace(before, after)
    await client.does(PAGE % script)


async def test_call_in_ten_lines(open_client: OpenClient, open_firefox_client: OpenFirefoxClient) -> None:
    alice, bob = await open_client("alice", connected=False), await open_firefox_client("bob", connected=False)
    await runs(alice, bob)
    await runs(bob, alice)
    await alice.does("document.querySelector('button').click()")
    for client in (alice, bob):
        await client.until("document.querySelector('video').videoWidth > 0")
