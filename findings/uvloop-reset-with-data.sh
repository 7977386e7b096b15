#!/bin/bash
# Whether the reader of a socket hears that its connection was reset.
#
# One would guess: yes. A callback of loop.add_reader is called when a read would not block, also where it fails, and
# uvloop is a drop-in replacement for asyncio's event loop.
# Seen with uvloop 0.23.0: where data and a reset have come by the time that the loop looks, the reader is called once,
# reads the data, and never hears of the reset, nor does the loop's exception handler. A close behind data, a reset
# alone, and a reset that comes after the data was read, are told. asyncio's own loop tells all of them.
# Why it matters: who keeps thousands of sockets on add_reader, without transports, never learns that a client is gone.
# Transports of uvloop (create_server) are not meant here.
#
# Needs python3. Loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install uvloop==0.23.0
cat >"$folder/ask.py" <<'END'
import asyncio
import socket
import struct
import sys

import uvloop


async def told(listening, data, reset):
    """Return what the reader of an accepted socket sees when its client goes."""
    loop = asyncio.get_running_loop()
    client = socket.create_connection(listening.getsockname())
    accepted, _ = await loop.sock_accept(listening)
    accepted.setblocking(False)
    seen, gone = [], asyncio.Event()

    def reader():
        try:
            seen.append("data" if accepted.recv(100) else "end")
        except OSError as error:
            seen.append(type(error).__name__)
        if seen[-1] != "data":
            loop.remove_reader(accepted.fileno())
            gone.set()

    loop.add_reader(accepted.fileno(), reader)
    if data:
        client.send(b"x")
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    try:
        await asyncio.wait_for(gone.wait(), 3)
    except TimeoutError:
        seen.append("nothing for 3 s")
    accepted.detach()
    return " ".join(seen)


async def main():
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    return [
        await told(listening, data, reset) for data, reset in [(False, False), (False, True), (True, False), (True, True)]
    ]


EXPECTED = {
    "asyncio": ["end", "ConnectionResetError", "data end", "data ConnectionResetError"],
    "uvloop": ["end", "ConnectionResetError", "data end", "data nothing for 3 s"],
}
changed = 0
for name, seen in {"asyncio": asyncio.run(main()), "uvloop": uvloop.run(main())}.items():
    print(f"{name}:")
    for what, one, expected in zip(["close", "reset", "data, close", "data, reset"], seen, EXPECTED[name]):
        changed += one != expected
        print(f"  {what}: {one}" + ("" if one == expected else f"   CHANGED, was {expected}"))
sys.exit(1 if changed else 0)
END
"$folder/venv/bin/python" "$folder/ask.py"
