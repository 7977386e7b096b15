"""Servers that speak the documented APIs of TURN providers, as `turn/providers/` names them."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

# Makes a username and a password that are good for so many seconds.
MakeAccount = Callable[[int], tuple[str, str]]


class Asked(NamedTuple):
    """A request: its path, its query, what it says it may, and its body."""

    path: str
    query: dict[str, list[str]]
    authorization: str
    body: Any


Answer = Callable[[Asked], tuple[int, object]]


@dataclass
class Api:
    """A running API: its address, what it was asked, and what it answers; None hangs up."""

    url: str
    answer: Answer | None
    asked: list[Asked] = field(default_factory=list)
    location: str = ""


class Server(ThreadingHTTPServer):
    """Says nothing of a client that has given up."""

    def handle_error(self, *_: object) -> None:
        """Leave it: the client says what became of its request."""


@contextmanager
def serving(answer: Answer) -> Iterator[Api]:
    """Serve an API on this machine while the block runs."""
    api = Api("", answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            url = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(sent) if sent else None
            asked = Asked(url.path, parse_qs(url.query), self.headers.get("Authorization", ""), body)
            api.asked.append(asked)
            if api.answer is None:
                self.close_connection = True
                return
            status, content = api.answer(asked)
            answered = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            if api.location:
                self.send_header("Location", api.location)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answered)))
            self.end_headers()
            self.wfile.write(answered)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = Server(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def metered(secret_key: str, make: MakeAccount) -> Answer:
    """Answer as Metered's "Create TURN Credential", version 1."""

    def answer(asked: Asked) -> tuple[int, object]:
        if asked.path != "/api/v1/turn/credential":
            return 404, {"message": "not found"}
        if "secretKey" not in asked.query:
            return 400, {"message": "Please specify secret key"}
        if asked.query["secretKey"] != [secret_key]:
            return 401, {"message": "Invalid secret key"}
        seconds = asked.body.get("expiryInSeconds")
        if not isinstance(seconds, int) or seconds <= 0:
            return 400, {"message": "please enter a positive integer value for expiryInSeconds"}
        username, password = make(seconds)
        return 200, {"username": username, "password": password, "expiryInSeconds": seconds, "apiKey": "a57a9a52a4a5"}

    return answer


def cloudflare(key_id: str, token: str, urls: Sequence[str], make: MakeAccount) -> Answer:
    """Answer as Cloudflare Realtime's "Generate Credentials", as of 2026-09-25."""

    def answer(asked: Asked) -> tuple[int, object]:
        if asked.path != f"/v1/turn/keys/{key_id}/credentials/generate-ice-servers":
            return 404, {}
        if asked.authorization != f"Bearer {token}":
            return 401, {}
        username, password = make(asked.body["ttl"])
        stun = {"urls": ["stun:stun.cloudflare.com:3478", "stun:stun.cloudflare.com:53"]}
        return 201, {"iceServers": [stun, {"urls": list(urls), "username": username, "credential": password}]}

    return answer
