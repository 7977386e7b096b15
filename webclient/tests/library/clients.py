"""A user of the library without the page: the JavaScript of an application, driven from a test."""

import asyncio
import json
from typing import Any, Generic, Protocol, Self, TypeVar

from playwright.async_api import Page

from webclient.tests.firefox import FirefoxPage
from webclient.tests.people import PATIENCE_SECONDS

# What an application does first, and a record of everything that the library tells it.
START = """
async ({ clientId, options }) => {
  Object.assign(window, await import("/static/webclient/securecall.js"));
  const resume = (sends) => navigator.mediaDevices.getUserMedia(sends);
  window.client = new SecureCall("/signal", { clientId, pathIntervalMs: 100, resume, ...options });
  window.events = [];
  window.news = new EventTarget();
  const types = [
    "signaling", "call", "missedcall", "remotestream", "peermedia", "peerstate", "data", "path", "identity", "peerkey",
    "verification", "safetynumber", "ownership", "record", "evidence", "warning", "error",
  ];
  for (const type of types) {
    client.addEventListener(type, ({ detail }) => {
      const { message } = detail;
      events.push({ type, ...detail, ...(message && { message }), stream: undefined });
      news.dispatchEvent(new Event("event"));
    });
  }
  window.media = (constraints) => navigator.mediaDevices.getUserMedia(constraints);
}
"""

# The first event from `seen` on that has these fields, and where it stands.
FIND = """
([type, fields, seen]) => new Promise((resolve) => {
  const look = () => {
    const at = events.findIndex((event, i) => i >= seen && event.type === type
      && Object.entries(fields).every(([key, value]) => JSON.stringify(event[key]) === JSON.stringify(value)));
    if (at >= 0) resolve([at, events[at]]);
    else news.addEventListener("event", look, { once: true });
  };
  look();
})
"""

# Of each run of paths, which come every second or two, the last.
HAPPENED = "events.filter(({ type }, at) => type !== 'path' || events[at + 1]?.type !== 'path')"


class Document(Protocol):
    """The part of a browser's page that a client needs."""

    async def goto(self, url: str) -> object:
        """Load a document."""

    async def evaluate(self, expression: str, arg: Any = None, /) -> Any:
        """Evaluate JavaScript: an expression, or a function of the argument."""


D_co = TypeVar("D_co", bound=Document, covariant=True)


class Client(Generic[D_co]):
    """A document of the server's origin, in which `client` is a `SecureCall`."""

    def __init__(self, client_id: str, port: int, page: D_co) -> None:
        self.id = client_id
        self.port = port
        self.page = page
        self._seen: dict[str, int] = {}

    async def starts(self, **options: Any) -> Self:
        """Load the library and make a client, without connecting; `options` are those of `SecureCall`."""
        await self.page.goto(f"http://127.0.0.1:{self.port}/health")
        await self.page.evaluate(START, {"clientId": self.id, "options": options})
        self._seen = {}
        return self

    async def connects(self) -> Self:
        """Register, and wait for the key to be in the directory."""
        await self.does("client.connect()")
        await self.expects("identity", isPublished=True)
        return self

    async def does(self, script: str, argument: Any = None) -> Any:
        """Evaluate JavaScript: an expression, or a function of `argument`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.page.evaluate(script, argument)

    async def expects(self, event_type: str, **fields: Any) -> dict[str, Any]:
        """Wait for the next event of this type that has these fields; earlier ones of the type are passed over."""
        seen = self._seen.get(event_type, 0)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                at, event = await self.page.evaluate(FIND, [event_type, fields, seen])
        except TimeoutError:
            happened = json.dumps(await self.page.evaluate(HAPPENED), indent=1)
            message = f"{self.id} saw no {event_type} {fields}, only {happened}"
            raise AssertionError(message) from None
        self._seen[event_type] = at + 1
        return dict(event)

    async def until(self, condition: str) -> None:
        """Wait for a JavaScript expression, or its promise, to be true; fail at once with what it throws."""
        # Playwright's own waiting evaluates a string in the page, which its policy forbids.
        await self.does(f"""new Promise((resolve, reject) => {{
          const look = async () => {{ if (await ({condition})) resolve(); else setTimeout(looks, 20); }};
          const looks = () => look().catch(reject);
          looks();
        }})""")

    async def unexpected_errors(self) -> list[dict[str, Any]]:
        """Return the errors of the library that no test expected."""
        errors: list[dict[str, Any]] = await self.does(
            "(seen) => events.slice(seen).filter(({ type }) => type === 'error')", self._seen.get("error", 0)
        )
        return errors

    async def comes_back(self) -> None:
        """Register again after a loss, at once."""
        await self.expects("signaling", state="waiting")
        await self.does("client.retryNow()")
        await self.expects("signaling", state="online")

    async def asks_often(self) -> None:
        """Go to the server and back again and again, so that what was about to happen has happened."""
        await self.does(f"async () => {{ for (let i = 0; i < 20; i += 1) await client.lookUpPeerKey('{self.id}'); }}")

    async def calls(self, peer: "Client[Document]", media: str = "{audio: true}") -> str:
        """Call another client and let it ring there."""
        call_id: str = await self.does(f"media({media}).then((stream) => client.call('{peer.id}', stream))")
        await peer.expects("call", state="incoming", callId=call_id)
        return call_id

    async def accepts(self, media: str = "{audio: true}") -> None:
        """Answer what rings."""
        await self.does(f"media({media}).then((stream) => client.accept(stream))")

    async def reaches(self, peer: "Client[Document]", media: str = "{audio: true}") -> str:
        """Call another client, who answers, until both are connected."""
        call_id = await self.calls(peer, media)
        await peer.accepts(media)
        await self.expects("call", state="connected")
        await peer.expects("call", state="connected")
        return call_id

    async def talks_to(self, peer: "Client[Document]", media: str = "{audio: true}") -> str:
        """Call another client, who answers, until what takes the media's way reaches either."""
        call_id = await self.reaches(peer, media)
        for person in (self, peer):
            await person.expects("peerstate", callId=call_id, takesData=True)
        return call_id


ClientPage = Client[Page]
FirefoxClient = Client[FirefoxPage]
