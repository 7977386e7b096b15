#!/usr/bin/env bash
# What a WebSocket's end looks like to an ASGI application.
#
# One would guess, from RFC 6455 and the ASGI specification: a TCP connection that ends without a close frame is
# `websocket.disconnect` with code 1006 ("abnormal closure"), and a close frame without a code, which a browser's
# `socket.close()` sends, is 1005 ("no status received").
#
# uvicorn 0.54.0 with websockets 17.4 (its default `websockets-sansio`) and with wsproto 1.3.2: both ends are 1005. All
# that tells them apart is that the event of a lost connection has no "reason" key. uvicorn's older `--ws websockets`
# says 1006, so the answer depends on an option. daphne 4.2.3: a lost connection is 1006, but the code of a close frame
# without a code is None, where the specification has an int.
#
# Why it matters here: a client that closes ends its calls, and one whose network changed has 30 seconds to come back. An
# application that believes the code hangs up on everybody who walks out of a Wi-Fi.
#
# Exits with 1 when a server behaves otherwise than written here.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  uvicorn==0.54.0 websockets==17.4 wsproto==1.3.2 daphne==4.2.3

cat > app.py <<'PYTHON'
import json


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] != "websocket.disconnect":
        pass
    with open(scope["path"].strip("/"), "w") as file:
        json.dump({name: event[name] for name in event if name != "type"}, file)
PYTHON

cat > look.py <<'PYTHON'
import json, pathlib, socket, subprocess, sys, time

UVICORN = [sys.executable, "-m", "uvicorn", "app:app", "--lifespan", "off", "--log-level", "critical", "--fd"]
SERVERS = {
    "uvicorn, websockets-sansio": [*UVICORN, "{fd}", "--ws", "websockets-sansio"],
    "uvicorn, wsproto": [*UVICORN, "{fd}", "--ws", "wsproto"],
    "uvicorn, websockets": [*UVICORN, "{fd}", "--ws", "websockets"],
    "daphne": [sys.executable, "-m", "daphne", "-v", "0", "--fd", "{fd}", "app:app"],
}
ENDS = {"lost": None, "no code": bytes.fromhex("8880 00000000"), "code 1000": bytes.fromhex("8882 00000000 03e8")}
EMPTY, GOODBYE = {"code": 1005, "reason": ""}, {"code": 1000, "reason": ""}
EXPECTED = {
    "uvicorn, websockets-sansio": [{"code": 1005}, EMPTY, GOODBYE],
    "uvicorn, wsproto": [{"code": 1005}, EMPTY, GOODBYE],
    "uvicorn, websockets": [{"code": 1006, "reason": ""}, EMPTY, GOODBYE],
    "daphne": [{"code": 1006}, {"code": None}, {"code": 1000}],
}


def end(port, name, last):
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(
            f"GET /{name} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = client.recv(4096)
        assert b" 101 " in answer, answer
        if last:
            client.sendall(last)
            while client.recv(4096):
                pass
    while not (path := pathlib.Path(name)).exists() or not path.read_text():
        time.sleep(0.02)
    return json.loads(path.read_text())


wrong = 0
for server, command in SERVERS.items():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        running = subprocess.Popen(
            [part.format(fd=fd) for part in command], pass_fds=[fd], stderr=subprocess.DEVNULL
        )
        try:
            for number, (how, last) in enumerate(ENDS.items()):
                event = end(listening.getsockname()[1], f"{server}-{how}".replace(" ", "-"), last)
                print(f"{server:27} {how:10} {event}")
                wrong += event != EXPECTED[server][number]
        finally:
            running.kill()
            running.wait()
sys.exit(1 if wrong else 0)
PYTHON
timeout 120 venv/bin/python look.py
