#!/bin/bash
# What browsers make of STUN and TURN URLs that are valid by RFC 7064 and RFC 7065.
#
# One would guess: new RTCPeerConnection() takes every valid URL, and a server that cannot be used is one candidate
# less; what one browser takes, the other takes too.
# Seen with Firefox 153 (firefox-esr) and Chromium 156, as Debian has them:
#   - Firefox throws out of the constructor at stuns: (NotSupportedError) and at each port that the Fetch Standard blocks
#     for web pages but 53 (SyntaxError): one such entry ends every call, however many good servers stand beside it.
#     Chromium takes all of them, and sends plain STUN to stuns:.
#   - Chromium sends nothing to a TURN server on a port below 1024 other than 80 and 443, and says nothing either:
#     no exception, no icecandidateerror. Firefox uses it.
#   - Firefox sends nothing to turns: with an IP address in place of a name, silently. Chromium uses it.
#   - turns:...?transport=udp, by RFC 7065 TURN over DTLS, is TLS over TCP in both.
# Why it matters: the server hands TURN_URLS and STUN_URLS to browsers as they are. Its checks, and a table in
# docs/railway.md, are made of this.
#
# Needs firefox-esr and chromium from apt, Python 3, and the right to listen on a port below 1024. Loopback only.
set -euo pipefail
firefox-esr --version
chromium --version 2>/dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check websockets==15.0.1
cat >"$folder/page.html" <<'END'
<!doctype html><title>ICE servers</title>
<script>
const entry = (url) => url.startsWith("stun") ? { urls: url } : { urls: url, username: "1:a", credential: "x" };
function construct(...urls) {
  try { new RTCPeerConnection({ iceServers: urls.map(entry) }).close(); return "ok"; } catch (error) { return error.name; }
}
async function gather(urls, seconds) {
  const errors = [];
  for (const url of urls) {
    const peer = new RTCPeerConnection({ iceServers: [entry(url)] });
    peer.onicecandidateerror = (event) => errors.push(event.url);
    peer.createDataChannel("x");
    await peer.setLocalDescription(await peer.createOffer());
  }
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return errors;
}
</script>
END
cat >"$folder/try.py" <<'END'
import asyncio, contextlib, itertools, json, pathlib, re, sys
from websockets.asyncio.client import connect

FOLDER = pathlib.Path(sys.argv[1])
PAGE = (FOLDER / "page.html").as_uri()
SECONDS = 8
LOW_PORTS = (82, 84, 300, 700, 853, 1000, 1023)  # none of them blocked by the Fetch Standard
CONSTRUCTED = {
    "stun:localhost:3478": ("ok", "ok"),
    "turn:localhost:3478": ("ok", "ok"),
    "turn:localhost:53": ("ok", "ok"),
    "stuns:localhost:5349": ("NotSupportedError", "ok"),
    "turn:localhost:587": ("SyntaxError", "ok"),
    "turns:localhost:993": ("SyntaxError", "ok"),
    "stun:localhost:5060": ("SyntaxError", "ok"),
    "turn:localhost:6000": ("SyntaxError", "ok"),
    "turn:localhost:10080": ("SyntaxError", "ok"),
}
failures = 0


def check(what, seen, expected):
    global failures
    failures += seen != expected
    print(f"  {what:<58} {seen}" + ("" if seen == expected else f"   CHANGED, was {expected}"))


class Browser:
    """Evaluates JavaScript in the page: Firefox by WebDriver BiDi, Chromium by its DevTools protocol."""

    async def start(self, said, *command):
        self.process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            while not (match := re.search(said, (await self.process.stderr.readline()).decode())):
                pass
        self.reading = asyncio.create_task(self.process.stderr.read())
        self.numbers = itertools.count(1)
        return match[1]

    async def call(self, method, params=None, **extra):
        number = next(self.numbers)
        await self.socket.send(json.dumps({"id": number, "method": method, "params": params or {}, **extra}))
        while (answer := json.loads(await self.socket.recv())).get("id") != number:
            pass
        return answer["result"]

    async def stop(self):
        self.process.terminate()
        await self.process.wait()
        await self.reading


class Firefox(Browser):
    async def open(self):
        profile = FOLDER / "firefox"
        profile.mkdir()
        (profile / "user.js").write_text('user_pref("media.peerconnection.ice.loopback", true);\n')
        options = ("--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0")
        url = await self.start(r"BiDi listening on (ws://\S+)", "firefox-esr", *options)
        self.socket = await connect(f"{url}/session", max_size=None)
        await self.call("session.new", {"capabilities": {}})
        self.context = (await self.call("browsingContext.getTree"))["contexts"][0]["context"]
        await self.call("browsingContext.navigate", {"context": self.context, "url": PAGE, "wait": "complete"})

    async def evaluate(self, expression):
        found = await self.call(
            "script.evaluate",
            {
                "expression": f"(async () => JSON.stringify(await {expression}))()",
                "awaitPromise": True,
                "target": {"context": self.context},
            },
        )
        return json.loads(found["result"]["value"])


class Chromium(Browser):
    async def open(self):
        options = ("--headless=new", "--no-sandbox", f"--user-data-dir={FOLDER / 'chromium'}", "--remote-debugging-port=0")
        more = ("--allow-loopback-in-peer-connection", "--disable-gpu")
        url = await self.start(r"DevTools listening on (ws://\S+)", "chromium", *options, *more)
        self.socket = await connect(url, max_size=None)
        target = (await self.call("Target.createTarget", {"url": PAGE}))["targetId"]
        attach = {"targetId": target, "flatten": True}
        self.session = (await self.call("Target.attachToTarget", attach))["sessionId"]
        async with asyncio.timeout(30):
            while not await self.evaluate("typeof gather === 'function' && document.readyState === 'complete'"):
                await asyncio.sleep(0.1)

    async def evaluate(self, expression):
        params = {"expression": f"(async () => JSON.stringify(await ({expression})))()", "awaitPromise": True}
        found = await self.call("Runtime.evaluate", params, sessionId=self.session)
        return json.loads(found["result"]["value"])


async def listen(heard, ports=(0,)):
    """A TCP server on the first of these ports that is free; what a client sends first goes to `heard`."""

    async def note(reader, writer):
        heard.append((await reader.read(1))[:1])
        writer.close()

    for port in ports:
        with contextlib.suppress(OSError):
            server = await asyncio.start_server(note, "127.0.0.1", port)
            return server, server.sockets[0].getsockname()[1]
    sys.exit(f"This needs to listen on one of the ports {ports}: run it as root.")


async def traffic(browser):
    """What each kind of URL makes the browser send: the first byte of TCP, or nothing."""
    kinds = {
        "turn:localhost:PORT?transport=tcp": (0,),
        "turn:localhost:LOW?transport=tcp": LOW_PORTS,
        "turns:localhost:PORT?transport=tcp": (0,),
        "turns:localhost:PORT?transport=udp": (0,),
        "turns:127.0.0.1:PORT?transport=tcp": (0,),
    }
    heard, servers, urls = {kind: [] for kind in kinds}, [], []
    for kind, ports in kinds.items():
        server, port = await listen(heard[kind], ports)
        servers.append(server)
        urls.append(kind.replace("PORT", str(port)).replace("LOW", str(port)))
    errors = await browser.evaluate(f"gather({json.dumps(urls)}, {SECONDS})")
    for server in servers:
        server.close()
    names = {b"\0": "a TURN request", b"\x16": "a TLS handshake"}
    said = {kind: names.get(first[0], "?") if first else "nothing" for kind, first in heard.items()}
    return said, any(urls[1] in url for url in errors)


async def examine(browser, number):
    await browser.open()
    for url, expected in CONSTRUCTED.items():
        seen = await browser.evaluate(f"construct('stun:localhost:3478', '{url}')")
        check(f"constructor, a good server and {url}", seen, expected[number])
    said, low_port_error = await traffic(browser)
    expected = (
        ("a TURN request", "a TURN request", "a TLS handshake", "a TLS handshake", "nothing"),
        ("a TURN request", "nothing", "a TLS handshake", "a TLS handshake", "a TLS handshake"),
    )[number]
    for (kind, seen), was in zip(said.items(), expected):
        check(f"sends to {kind}", seen, was)
    if number == 1:
        check("icecandidateerror for LOW, a port below 1024", low_port_error, False)


async def main():
    for number, browser in enumerate((Firefox(), Chromium())):
        print(type(browser).__name__)
        try:
            await examine(browser, number)
        finally:
            await browser.stop()
    sys.exit(1 if failures else 0)


asyncio.run(main())
END
"$folder/venv/bin/python" "$folder/try.py" "$folder"
