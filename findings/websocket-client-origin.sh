#!/bin/bash
# Whether a WebSocket client that is no browser names an origin.
#
# One would guess: no. The header is for browsers (RFC 6455, section 4.1, item 8), and of other clients' libraries
# `websockets`, aiohttp and Node's `ws` send none.
# Seen with websocket-client 1.9.2 (PyPI): each handshake has one, made of the URL: `http://` and the host and port that it
# was opened with. `suppress_origin=True` leaves it out.
# Why it matters: a server that compares `Origin` with `Host` takes a script for a foreign page and answers 403, where a
# proxy gives it another `Host`, or a script in a container opens the service by an inner name.
#
# Needs python3. Loopback only, but for the download.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install websocket-client==1.9.2 websockets==16.0 aiohttp==3.14.5 2>/dev/null
cat >"$folder/ask.py" <<'END'
import asyncio
import contextlib
import sys

import aiohttp
import websocket
import websockets


async def by_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.ws_connect(url):
        pass


async def by_websockets(url):
    async with websockets.connect(url):
        pass


def by_websocket_client(url, **options):
    return asyncio.to_thread(websocket.create_connection, url, **options)


async def origin_of(connect):
    """Return the origin that a client sends; each is answered with 403 once its head has come."""
    heads = []

    async def answer(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with contextlib.suppress(Exception):
        await connect(f"ws://127.0.0.1:{port}/signal")
    server.close()
    lines = heads[0].decode().split("\r\n")
    told = [line.partition(": ")[2] for line in lines if line.lower().startswith("origin:")]
    return told[0].replace(str(port), "PORT") if told else "none"


async def main():
    changed = 0
    for name, connect, expected in [
        ("websockets", by_websockets, "none"),
        ("aiohttp", by_aiohttp, "none"),
        ("websocket-client", by_websocket_client, "http://127.0.0.1:PORT"),
        ("the same, suppress_origin", lambda url: by_websocket_client(url, suppress_origin=True), "none"),
    ]:
        seen = await origin_of(connect)
        changed += seen != expected
        print(f"{name}: {seen}" + ("" if seen == expected else f"   CHANGED, was {expected}"))
    return changed


sys.exit(1 if asyncio.run(main()) else 0)
END
"$folder/venv/bin/python" "$folder/ask.py"
