#!/bin/bash
# What an ASGI application sees of a request whose target names its host.
#
# One would guess: path and query, and that host. A server has to take `GET http://host/path`, the form that clients send to
# proxies, and the target's host in place of the header's (RFC 9112, section 3.2.2).
# Seen with daphne 4.2.3 (Twisted 26.10.0), hypercorn 0.18.0, uvicorn 0.54.0 and granian 2.8.9: only granian gives the
# path to both HTTP and WebSockets. With daphne a WebSocket's is right and HTTP's is "http://host/path"; with uvicorn on
# httptools it is the other way round, on h11 both are wrong, as with hypercorn. `Host` is the header's with all of them.
# Why it matters: an application has no such path and answers 404 or 403, behind a proxy that leaves targets as they
# came; one sort of request works, so the proxy is not suspected.
#
# Needs python3. Loopback only, but for the downloads.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install daphne==4.2.3 twisted==26.10.0 uvicorn==0.54.0 h11==0.16.0 \
  httptools==0.9.0 websockets==16.0 hypercorn==0.18.0 granian==2.8.9 2>/dev/null
cat >telling.py <<'END'
async def application(scope, receive, send):
    path = scope["path"].encode()
    hosts = b", ".join(value for name, value in scope["headers"] if name == b"host")
    told = b"<" + path + b" of " + hosts + b">"
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": told})
        await send({"type": "websocket.close"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": told})
END
cat >ask.py <<'END'
import contextlib
import re
import socket
import subprocess
import sys
import time

UVICORN = ["uvicorn", "--host", "127.0.0.1", "--lifespan", "off", "telling:application"]
SERVERS = {
    "daphne": lambda port: ["daphne", "-b", "127.0.0.1", "-p", port, "telling:application"],
    "hypercorn": lambda port: ["hypercorn", "-b", f"127.0.0.1:{port}", "telling:application"],
    "uvicorn, h11": lambda port: [*UVICORN, "--http", "h11", "--port", port],
    "uvicorn, httptools": lambda port: [*UVICORN, "--http", "httptools", "--port", port],
    "granian": lambda port: ["granian", "--interface", "asginl", "--host", "127.0.0.1", "--port", port, "telling:application"],
}
HEAD = "GET http://named.example/here HTTP/1.1\r\nHost: header.example\r\n"
REQUESTS = {
    "HTTP": f"{HEAD}\r\n",
    "WebSocket": f"{HEAD}Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
}
RIGHT, WRONG = "/here of header.example", "http://named.example/here of header.example"
EXPECTED = {
    "daphne": {"HTTP": WRONG, "WebSocket": RIGHT},
    "hypercorn": {"HTTP": WRONG, "WebSocket": WRONG},
    "uvicorn, h11": {"HTTP": WRONG, "WebSocket": WRONG},
    "uvicorn, httptools": {"HTTP": RIGHT, "WebSocket": WRONG},
    "granian": {"HTTP": RIGHT, "WebSocket": RIGHT},
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def told_to(port, request):
    for _ in range(300):
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(request.encode())
            answer = b""
            while b">" not in answer and (part := client.recv(4096)):
                answer += part
            told = re.search(rb"<(.+)>", answer)
            return told[1].decode() if told else repr(answer)
        time.sleep(0.1)
    return "does not start"


changed = 0
for name, command in SERVERS.items():
    port = free_port()
    program, *options = command(str(port))
    running = subprocess.Popen([f"venv/bin/{program}", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for kind, request in REQUESTS.items():
        seen, expected = told_to(port, request), EXPECTED[name][kind]
        changed += seen != expected
        print(f"{name}, {kind}: {seen}" + ("" if seen == expected else f"   CHANGED, was {expected}"))
    running.terminate()
    running.wait()
sys.exit(1 if changed else 0)
END
venv/bin/python ask.py
