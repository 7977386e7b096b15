"""A witness of a log (C2SP tlog-witness), made here with the checks of the Python client."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from securecall_client.refusal import RefusedError
from securecall_client.transparency import Log
from securecall_client.transparency.proofs import check_consistent
from tests.support.made_log import POLL_SECONDS, key_id, sha256, vkey
from transparency.notes import ED25519, Checkpoint, Verifier, signatures_by

COSIGNATURE = 4
Answer = tuple[int, bytes]


class MadeWitness:
    """A witness of one log; `asked` counts requests, and `answers` is what it says in place of its own answer."""

    def __init__(self, log_vkey: str, name: str = "witness.example") -> None:
        self.name = name
        self.url = ""
        self.at = 1_790_000_000
        self.asked = 0
        self.answers: Answer | None = None
        self.log = Log(log_vkey)
        self._key = Ed25519PrivateKey.from_private_bytes(sha256(name.encode()))
        self._lock = Lock()

    @property
    def vkey(self) -> str:
        """Return the key of type 04."""
        data = bytes([COSIGNATURE]) + self._key.public_key().public_bytes_raw()
        return f"{self.name}+{key_id(COSIGNATURE, self._key, self.name).hex()}+{base64.b64encode(data).decode()}"

    @property
    def line(self) -> str:
        """Return the line of a policy that names it."""
        return f"witness {self.name} {self.vkey} {self.url}"

    def add_checkpoint(self, body: str) -> Answer:
        """Answer a request as the specification says."""
        head, _, note = body.partition("\n\n")
        old, *proof = head.split("\n")
        path = [base64.b64decode(line) for line in proof]
        with self._lock:
            self.asked += 1
            if self.answers is not None:
                return self.answers
            checkpoint = _signed(note, self.log.vkey)
            if checkpoint is None:
                return 403, b""
            if old != f"old {self.log.size}":
                return 409, f"{self.log.size}\n".encode()
            try:
                check_consistent((self.log.size, self.log.root), (checkpoint.size, checkpoint.root), path)
            except RefusedError:
                return 422, b""
            self.log = Log(self.log.vkey, checkpoint.size, checkpoint.root)
            return 200, self._cosigned(note.partition("\n\n")[0] + "\n").encode()

    def _cosigned(self, text: str) -> str:
        signature = self._key.sign(f"cosignature/v1\ntime {self.at}\n{text}".encode())
        data = key_id(COSIGNATURE, self._key, self.name) + self.at.to_bytes(8, "big") + signature
        return f"— {self.name} {base64.b64encode(data).decode()}\n"


def _signed(note: str, log_vkey: str) -> Checkpoint | None:
    """Return a checkpoint that its log signed; witnesses ask for no time."""
    text, _, lines = note.rpartition("\n\n")
    key, text = Verifier.parse(log_vkey), f"{text}\n"
    is_signed = any(key.is_signed(text, signature) for signature in signatures_by(key, ED25519, lines))
    return Checkpoint.parse(text) if is_signed else None


@contextmanager
def witnessing(log_vkey: str = "", name: str = "witness.example") -> Iterator[MadeWitness]:
    """Serve a witness while the block runs."""
    witness = MadeWitness(log_vkey or vkey(), name)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, answer = witness.add_checkpoint(body) if self.path == "/w/add-checkpoint" else (404, b"")
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server names it
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        web.daemon_threads = True
        witness.url = f"http://127.0.0.1:{web.server_address[1]}/w"
        thread = Thread(target=web.serve_forever, args=[POLL_SECONDS])
        thread.start()
        try:
            yield witness
        finally:
            web.shutdown()
            thread.join()
