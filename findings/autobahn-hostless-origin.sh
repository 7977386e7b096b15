#!/bin/bash
# What autobahn answers to an Origin header without a host, while every origin is allowed.
#
# One would guess: with allowedOrigins=["*"], its default, the header does not matter; the application, or ASGI's above
# it, decides.
# Seen with autobahn 26.10.2: the header is parsed before anybody is asked. file:// and null pass, as does a scheme of
# somebody's own with a host (capacitor://localhost); without a host (qrc://, an empty header) it is 400, and the header
# is quoted in the status line.
# Why it matters: daphne stands on autobahn, so an application behind it cannot let such a client in, nor answer 403.
# On plain daphne that is so; our own server reads the handshake by another library, without the header.
#
# Needs Python 3. Loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check autobahn==26.10.2
cat >"$folder/try.py" <<'END'
import asyncio, sys
from autobahn.asyncio.websocket import WebSocketServerFactory, WebSocketServerProtocol

HOSTLESS = "400 HTTP Origin header invalid: No host part in Origin"
EXPECTED = {
    "https://app.example.com": "101 Switching Protocols",
    "capacitor://localhost": "101 Switching Protocols",
    "null": "101 Switching Protocols",
    "file://": "101 Switching Protocols",
    "qrc://": f"{HOSTLESS} 'qrc://'",
    "": f"{HOSTLESS} ''",
}
HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {}\r\n\r\n"
)


async def answer(port, origin):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HANDSHAKE.format(origin).encode())
    line = (await reader.readline()).decode().strip()
    writer.close()
    return line.removeprefix("HTTP/1.1 ")


async def main():
    factory = WebSocketServerFactory()
    factory.setProtocolOptions(allowedOrigins=["*"], allowNullOrigin=True)
    factory.protocol = WebSocketServerProtocol
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    port, changed = server.sockets[0].getsockname()[1], 0
    for origin, expected in EXPECTED.items():
        seen = await answer(port, origin)
        changed += seen != expected
        print(f"  Origin: {origin:<24} {seen}" + ("" if seen == expected else f"   CHANGED, was {expected}"))
    sys.exit(1 if changed else 0)


asyncio.run(main())
END
"$folder/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -i '^autobahn'
"$folder/venv/bin/python" "$folder/try.py"
