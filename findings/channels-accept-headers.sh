#!/bin/bash
# Whether a consumer's headers reach the client.
#
# One would guess: yes. Channels' `accept(headers=...)` has them, ASGI's "websocket.accept" has them since 2.1, and daphne
# is the server of the same project.
# Seen with channels 4.3.2 on daphne 4.2.3: the handshake is answered without them, and nobody is told. uvicorn 0.54.0 sends
# them.
# Why it matters: a cookie, a version or a trace that a server sets at the handshake is lost in production, and its tests
# pass: WebsocketCommunicator hands over the event as it was sent.
#
# Needs python3. Loopback only, but for the download.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install channels==4.3.2 daphne==4.2.3 uvicorn==0.54.0 websockets==16.0 2>/dev/null
cat >telling.py <<'END'
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

settings.configure()


class Consumer(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept(headers=[(b"x-version", b"1")])


application = Consumer.as_asgi()
END
cat >ask.py <<'END'
import asyncio
import contextlib
import socket
import subprocess
import sys

import websockets
from channels.testing import WebsocketCommunicator
from telling import application

SERVERS = {
    "daphne": lambda port: ["daphne", "-b", "127.0.0.1", "-p", port, "telling:application"],
    "uvicorn": lambda port: ["uvicorn", "--host", "127.0.0.1", "--port", port, "--lifespan", "off", "telling:application"],
}
EXPECTED = {"daphne": None, "uvicorn": "1", "WebsocketCommunicator": "1"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def version_of(port):
    for _ in range(300):
        with contextlib.suppress(ConnectionRefusedError):
            async with websockets.connect(f"ws://127.0.0.1:{port}/", proxy=None) as client:
                return client.response.headers.get("x-version")
        await asyncio.sleep(0.1)
    return "does not start"


async def main():
    seen = {}
    for name, command in SERVERS.items():
        port = free_port()
        program, *options = command(str(port))
        running = subprocess.Popen([f"venv/bin/{program}", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seen[name] = await version_of(port)
        running.terminate()
        running.wait()
    communicator = WebsocketCommunicator(application, "/")
    await communicator.send_input({"type": "websocket.connect"})
    event = await communicator.receive_output()
    seen["WebsocketCommunicator"] = dict(event["headers"])[b"x-version"].decode()
    await communicator.disconnect()
    for name, value in seen.items():
        print(f"{name}: {value}" + ("" if value == EXPECTED[name] else f"   CHANGED, was {EXPECTED[name]}"))
    return seen != EXPECTED


sys.exit(asyncio.run(main()))
END
venv/bin/python ask.py
