"""Offer a checkpoint to a witness over HTTP (C2SP tlog-witness), and read its answer.

A witness keeps the largest tree that it saw of a log, and cosigns one that begins with it: nobody who asks for its
cosignature is shown a tree of his own. A server's event loop calls `ask`, which bounds how long an answer takes.
"""

import asyncio
import base64
import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from transparency.notes import COSIGNATURE, BadNoteError, signatures_by
from transparency.witness_policy import Witness

ANSWER_SECONDS = 10.0
MOST_ANSWER_BYTES = 16_384
SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n?")
ADD_CHECKPOINT = "/add-checkpoint"

# What a status means that is neither a cosignature nor another size.
REFUSALS: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "it does not accept the signature of this log: give its operator the vkey of /log/key",
    HTTPStatus.NOT_FOUND: "it does not know this log: give its operator the vkey of /log/key",
    HTTPStatus.UNPROCESSABLE_ENTITY: "it has seen another tree of this log than the one that is here",
}


class Cosignature(NamedTuple):
    """A witness' line, and the time in it, in unix seconds."""

    line: str
    at: int


class WitnessError(Exception):
    """A witness does not cosign; the text says why, for the operator."""


class OtherSizeError(Exception):
    """A witness knows another tree than the one that it was shown a proof from; raised with that tree's size."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Reply(NamedTuple):
    """What a witness answered."""

    status: int
    body: bytes


class Post:
    """A POST that runs in a thread, and that another one can abort."""

    def __init__(self, url: str, body: bytes, seconds: float) -> None:
        self._parts = urlsplit(url)
        self._body = body
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(self._parts.hostname or "", self._parts.port, timeout=seconds)

    def run(self) -> Reply:
        """Send the request and read the answer; raises `OSError`, `ValueError` or `http.client.HTTPException`."""
        headers = {"Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
        with contextlib.closing(self._connection):
            self._connection.request("POST", self._parts.path, self._body, headers)
            answer = self._connection.getresponse()
            return Reply(answer.status, answer.read(MOST_ANSWER_BYTES))

    def abort(self) -> None:
        """Cut the connection, so that `run` ends."""
        with contextlib.suppress(OSError):
            if self._connection.sock is not None:
                self._connection.sock.shutdown(socket.SHUT_RDWR)


def request(note: str, old: int, proof: Sequence[bytes]) -> bytes:
    """Return the body that offers a checkpoint to who knows the tree of `old` entries."""
    lines = [f"old {old}", *(base64.b64encode(found).decode() for found in proof), "", note]
    return "\n".join(lines).encode()


async def ask(witness: Witness, body: bytes, seconds: float = ANSWER_SECONDS) -> Reply:
    """Send a request to a witness, in a thread of its own; raises `WitnessError`."""
    post = Post(witness.url + ADD_CHECKPOINT, body, seconds)
    try:
        async with asyncio.timeout(seconds):
            return await _in_thread(post.run)
    except TimeoutError:
        raise WitnessError(f"it did not answer within {seconds:g} s") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise WitnessError(f"it cannot be reached: {type(error).__name__}") from None
    finally:
        post.abort()


def _in_thread(run: Callable[[], Reply]) -> "asyncio.Future[Reply]":
    """Run it in a thread that ends with the process: one of a pool is waited for, also while it looks up a name."""
    loop = asyncio.get_running_loop()
    replied: asyncio.Future[Reply] = loop.create_future()

    def settle(outcome: Reply | Exception) -> None:
        if replied.done():
            return
        if isinstance(outcome, Exception):
            replied.set_exception(outcome)
        else:
            replied.set_result(outcome)

    def work() -> None:
        try:
            outcome: Reply | Exception = run()
        except Exception as error:  # noqa: BLE001 -- whoever waits is told
            outcome = error
        # The loop may have ended by now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, name="witness", daemon=True).start()
    return replied


def read(reply: Reply, witness: Witness, text: str) -> Cosignature:
    """Return the cosignature of a checkpoint's text; raises `OtherSizeError` or `WitnessError`."""
    if reply.status == HTTPStatus.CONFLICT and (match := SIZE.fullmatch(reply.body)):
        raise OtherSizeError(int(match[1]))
    if reply.status != HTTPStatus.OK:
        raise WitnessError(REFUSALS.get(reply.status, f"it answered with status {reply.status}"))
    verifier = witness.verifier
    try:
        found = signatures_by(verifier, COSIGNATURE, reply.body.decode())
    except (BadNoteError, UnicodeDecodeError):
        raise WitnessError("it answered with what is no signature") from None
    for signature in found:
        at = verifier.cosigned_at(text, signature)
        if at is not None:
            return Cosignature(verifier.line(COSIGNATURE, signature), at)
    raise WitnessError("it answered without a signature of its key")
