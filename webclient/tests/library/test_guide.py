"""The example of docs/client.md that needs no bundler; those for React and Vue are run by `make package`."""

import pytest

from webclient.tests.guide import example
from webclient.tests.library.clients import Client, Document
from webclient.tests.library.conftest import OpenClient, OpenFirefoxClient

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = """
async () => {
  document.body.innerHTML = "%s";
  window.confirm = () => true;
  window.alert = (text) => { window.paper = text.split(": ").at(-1); };
  window.prompt = () => window.paper;
  %s
}
"""


PLAIN_PAGE = "<video autoplay muted playsinline></video><button>Call</button><ul></ul><input disabled>"


DEVICES = 'const { Devices } = await import("/static/webclient/devices.js");'


async def runs(name: str, client: Client[Document], body: str = PLAIN_PAGE, **replaced: str) -> None:
    """Run the example in a page, as this client."""
    script = example(name)
    words = {'import { SecureCall } from "securecall-client";': "", "wss://host/signal": "/signal"}
    words |= {'import { Devices } from "securecall-client/devices.js";': DEVICES} if "new Devices" in script else {}
    # With their quotes: an ID begins with somebody's name.
    names = {f'"{name}"': f'"{client_id}"' for name, client_id in {"alice": client.id, **replaced}.items()}
    for before, after in {**words, **names}.items():
        assert before in script
        script = script.replace(before, after)
    await client.does(PAGE % (body, script))


async def test_call_in_ten_lines(open_client: OpenClient, open_firefox_client: OpenFirefoxClient) -> None:
    alice, bob = await open_client("alice", connected=False), await open_firefox_client("bob", connected=False)
    await runs("plain.js", alice, bob=bob.id)
    await runs("plain.js", bob, bob=alice.id)
    await alice.does("document.querySelector('button').click()")
    for client in (alice, bob):
        await client.until("document.querySelector('video').videoWidth > 0")


async def test_messages_and_who_is_muted(open_client: OpenClient) -> None:
    alice, bob = await open_client("alice", connected=False), await open_client("bob")
    await runs("messages.js", alice, bob=bob.id)
    await bob.expects("call", state="incoming")
    await bob.accepts()
    await alice.until("!document.querySelector('input').disabled")
    await alice.does("""() => {
      const field = Object.assign(document.querySelector("input"), { value: "hello" });
      field.onchange();
      document.querySelector("button").click();
    }""")
    await bob.expects("data", peerId=alice.id, data="hello")
    await bob.expects("peerstate", audio="off")
    await bob.does("client.send('good day').then(() => client.setMuted('audio', true))")
    said = "[...document.querySelectorAll('li')].map((item) => item.textContent)"
    await alice.until(f"{said}.at(-1)?.endsWith('is muted.')")
    assert await alice.does(said) == [f"{bob.id}: good day", f"{bob.id} is muted."]


DEVICES_PAGE = (
    "<video autoplay muted></video><video autoplay muted></video><select></select><button></button><button></button>"
)


async def test_devices(open_client: OpenClient, open_firefox_client: OpenFirefoxClient) -> None:
    alice, bob = await open_client("alice", connected=False), await open_firefox_client("bob")
    await runs("devices.js", alice, DEVICES_PAGE, bob=bob.id)
    await alice.until("document.querySelector('video').videoWidth > 0")
    await alice.does("document.querySelector('button').click()")
    await bob.expects("call", state="incoming")
    await bob.accepts("{audio: true, video: true}")
    await alice.until("document.querySelectorAll('video')[1].videoWidth > 0")
    await alice.does("""() => {
      const cameras = document.querySelector("select");
      cameras.selectedIndex = cameras.length - 1;
      cameras.dispatchEvent(new Event("change"));
    }""")
    await alice.until("localStorage.getItem('devices')?.includes(document.querySelector('select').value)")


async def test_name_that_belongs_to_a_key(open_client: OpenClient) -> None:
    alice = await open_client("alice", connected=False)
    await runs("owner.js", alice)
    await alice.starts()
    await alice.connects()
    await alice.expects("ownership", state="owner", hasRecoveryCode=True)
