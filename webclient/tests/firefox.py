"""The distribution's Firefox, driven over WebDriver BiDi, which it speaks without geckodriver."""

import asyncio
import json
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import ViewportSize

from tests.support.services import process
from webclient.tests.bidi import BidiError, Session
from webclient.tests.people import PATIENCE_SECONDS

START_SECONDS = 60
POLL_SECONDS = 0.05

PREFERENCES: dict[str, bool | int | str] = {
    # A microphone that hums and a camera that changes its colour, for whoever asks.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    # A list of devices does not wait until the window has the focus, which one of many has.
    "media.devices.unfocused.enabled": True,
    # Both ends of a call are on this machine, which answers no mDNS.
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    # Nothing but the test's own page reaches a network: an address is not looked up, and a proxy not asked.
    "network.dns.disabled": True,
    "network.proxy.type": 0,
    "network.trr.mode": 5,
    # Nor is it tried. WebDriver turns off most of the rest.
    "app.update.disabledForTesting": True,
    "browser.search.update": False,
    "extensions.installDistroAddons": False,
    "extensions.update.enabled": False,
    "services.settings.server": "data:,#none",
    "toolkit.telemetry.server": "data:,",
    # A document of JSON is what the server sent, not Firefox's viewer for it, which has a policy of its own.
    "devtools.jsonview.enabled": False,
    # It opens nothing at first.
    "browser.startup.page": 0,
    "browser.shell.checkDefaultBrowser": False,
    "startup.homepage_welcome_url": "about:blank",
}

# Playwright's `evaluate`: an expression, or a function of the argument; JSON goes in and out.
EVALUATE = """
async (argument) => {{
  const it = ({script}
  );
  const value = typeof it === "function" ? await it(JSON.parse(argument)) : await it;
  return JSON.stringify(value) ?? "null";
}}
"""

# A pointer reaches nothing outside of the window.
SHOW = "(element) => element.scrollIntoView({ block: 'nearest', behavior: 'instant' })"
# What the browser says of a pointer's way to an element that the page took away meanwhile.
OUT_OF_REACH = "move target out of bounds"
IS_SHOWN = "(element) => element.checkVisibility() && !element.disabled"


class FirefoxPage:
    """A window with cookies and storage of its own; what is named as in Playwright's `Page` does the same."""

    def __init__(self, session: Session, user_context: str, context: str) -> None:
        self._session = session
        self._user_context = user_context
        self.context = context
        # Uncaught errors, and what the console was told as an error or a warning.
        self.problems: list[str] = []
        self._exception_listeners: list[Callable[[str], None]] = []

    def on_exception(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with what each uncaught error says."""
        self._exception_listeners.append(listener)

    def heard(self, entry: dict[str, Any]) -> None:
        """Note an entry of this page's log."""
        if entry["level"] in {"error", "warn"}:
            self.problems.append(entry["text"])
        # What the browser itself complains of, such as a path that it did not find, comes from no line of a script.
        if entry["level"] == "error" and entry["type"] == "javascript" and "stackTrace" in entry:
            for listener in self._exception_listeners:
                listener(entry["text"])

    async def opens_another(self) -> "FirefoxPage":
        """Open a window with the same cookies and storage, which is closed with this one."""
        opened = await self._session.command("browsingContext.create", type="window", userContext=self._user_context)
        return FirefoxPage(self._session, self._user_context, opened["context"])

    async def goto(self, url: str) -> None:
        """Load a document and wait until it is complete."""
        await self._session.command("browsingContext.navigate", context=self.context, url=url, wait="complete")

    async def reload(self) -> None:
        """Load the document anew and wait until it is complete."""
        await self._session.command("browsingContext.reload", context=self.context, wait="complete")

    async def set_viewport_size(self, viewport: ViewportSize) -> None:
        """Give the document so many pixels."""
        await self._session.command("browsingContext.setViewport", context=self.context, viewport=viewport)

    async def add_init_script(self, script: str) -> None:
        """Run `script` in each document from now on, before its own scripts."""
        await self._session.command(
            "script.addPreloadScript", functionDeclaration=f"() => {{{script}\n}}", contexts=[self.context]
        )

    async def evaluate(self, script: str, argument: Any = None) -> Any:
        """Evaluate JavaScript: an expression, or a function of `argument`; a promise is waited for."""
        sent = {"type": "string", "value": json.dumps(argument)}
        return json.loads((await self._call(EVALUATE.format(script=script), sent))["value"])

    async def until(self, condition: str) -> None:
        """Wait for a JavaScript expression, or the promise that it is, to be true."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.evaluate(condition):
                await asyncio.sleep(POLL_SECONDS)

    async def click(self, role: str, name: str) -> None:
        """Press what has this role and accessible name, as soon as it can be pressed."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self._press(await self._find(role, name)):
                await asyncio.sleep(POLL_SECONDS)

    async def _press(self, element: dict[str, Any]) -> bool:
        """Press an element; returns False, without having pressed anything, where it is no longer shown."""
        await self._call(SHOW, element)
        at = {"type": "pointerMove", "x": 0, "y": 0, "origin": {"type": "element", "element": element}}
        press = [at, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        try:
            await self._act({"type": "pointer", "id": "mouse", "actions": press})
        except BidiError as error:
            if OUT_OF_REACH not in str(error):
                raise
            return False
        return True

    async def fill(self, name: str, text: str) -> None:
        """Click the text field with this label, and type in place of what is there."""
        await self.click("textbox", name)
        await self.evaluate("document.activeElement.select()")
        keys = [{"type": kind, "value": character} for character in text for kind in ("keyDown", "keyUp")]
        await self._act({"type": "key", "id": "keyboard", "actions": keys})

    async def downloads(self, act: Callable[[], Awaitable[None]]) -> Path:
        """Do what lets the page save a file, and wait until it is saved; returns where."""
        saved: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def ended(event: dict[str, Any]) -> None:
            if event["context"] == self.context and not saved.done():
                saved.set_result(event["filepath"])

        await self._session.listen("browsingContext.downloadEnd", ended)
        await act()
        async with asyncio.timeout(PATIENCE_SECONDS):
            return Path(await saved)

    async def close(self) -> None:
        """Close the window and forget its storage."""
        await self._session.command("browser.removeUserContext", userContext=self._user_context)

    async def _act(self, source: dict[str, Any]) -> None:
        await self._session.command("input.performActions", context=self.context, actions=[source])

    async def _find(self, role: str, name: str) -> dict[str, Any]:
        locator = {"type": "accessibility", "value": {"role": role, "name": name}}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = await self._session.command(
                    "browsingContext.locateNodes", context=self.context, locator=locator
                )
                for node in found["nodes"]:
                    element: dict[str, Any] = {"sharedId": node["sharedId"]}
                    if (await self._call(IS_SHOWN, element))["value"]:
                        return element
                await asyncio.sleep(POLL_SECONDS)

    async def _call(self, function: str, *arguments: dict[str, Any]) -> dict[str, Any]:
        answer = await self._session.command(
            "script.callFunction",
            functionDeclaration=function,
            arguments=arguments,
            awaitPromise=True,
            # As after a click: a page may make a sound.
            userActivation=True,
            target={"context": self.context},
        )
        if answer["type"] == "exception":
            raise BidiError(answer["exceptionDetails"]["text"])
        result: dict[str, Any] = answer["result"]
        return result


class Firefox:
    """A running Firefox."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pages: dict[str, FirefoxPage] = {}

    async def new_page(self) -> FirefoxPage:
        """Open a window; a tab would be hidden by the next one, and slowed down."""
        user_context = (await self._session.command("browser.createUserContext"))["userContext"]
        opened = await self._session.command("browsingContext.create", type="window", userContext=user_context)
        page = FirefoxPage(self._session, user_context, opened["context"])
        self._pages[page.context] = page
        return page

    def heard(self, entry: dict[str, Any]) -> None:
        """Hand a `log.entryAdded` to its page."""
        if page := self._pages.get(entry["source"].get("context", "")):
            page.heard(entry)


def trust(profile: Path, authority: Path) -> None:
    """Add a certificate authority to a profile."""
    program = process.executable("certutil", "libnss3-tools")
    for arguments in (["-N", "--empty-password"], ["-A", "-n", "test", "-t", "C,,", "-i", str(authority)]):
        subprocess.run([program, *arguments, "-d", f"sql:{profile}"], check=True, capture_output=True)


@asynccontextmanager
async def start_firefox(authority: Path | None = None) -> AsyncIterator[Firefox]:
    """Run Firefox with a new profile while the block runs; it trusts `authority`, a file of PEM, as it does others."""
    program = process.executable("firefox-esr", "firefox-esr")
    # Its children may still write while they end.
    with tempfile.TemporaryDirectory(prefix="securecall-firefox-", ignore_cleanup_errors=True) as directory:
        profile = Path(directory)
        preferences = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(preferences))
        if authority:
            trust(profile, authority)
        address = profile / "WebDriverBiDiServer.json"
        command = [program, "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", directory]
        running = process.start(
            command,
            profile / "firefox.log",
            lambda _: _port(address) is not None,
            seconds=START_SECONDS,
            env=os.environ | {"HOME": directory, "MOZ_CRASHREPORTER_DISABLE": "1"},
        )
        try:
            async with Session.at(f"ws://127.0.0.1:{_port(address)}/session") as session:
                browser = Firefox(session)
                await session.listen("log.entryAdded", browser.heard)
                yield browser
        finally:
            process.stop(running)


def _port(address: Path) -> int | None:
    """The port that Firefox has written; nothing while the file is not there, or half there."""
    try:
        return int(json.loads(address.read_text())["ws_port"])
    except (FileNotFoundError, json.JSONDecodeError):
        return None
