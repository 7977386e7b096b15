"""The usual opening handshake, read at once, and the answer 101; every other is for the `websockets` library."""

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha1
from typing import NamedTuple

Headers = list[tuple[bytes, bytes]]

# RFC 6455, section 1.3
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION = "13"
# The library takes no more headers, and no longer line.
MOST_BYTES, MOST_HEADERS = 8192, 128
# As browsers, Firefox among them, libraries and proxies write it.
CONNECTIONS = frozenset({b"upgrade", b"keep-alive, upgrade"})
# A name with an underscore is one of those that do not reach the application.
_HEAD = re.compile(rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:[!#-'*+.^`|~0-9A-Za-z-]+:[\t -~]*\r\n)*)\r\n")
_KEY = re.compile(rb"[+/0-9A-Za-z]{22}==")


class Handshake(NamedTuple):
    """A valid opening handshake: its target, its headers (names in lower case), and `Sec-WebSocket-Key`."""

    target: str
    headers: Headers
    key: bytes


def usual_handshake(head: bytes) -> Handshake | None:
    """Read a request's head; returns None for all but a valid handshake in which no header is there twice."""
    whole = _HEAD.fullmatch(head) if len(head) <= MOST_BYTES else None
    if whole is None:
        return None
    headers = []
    for line in whole[2].splitlines():
        name, _, value = line.partition(b":")
        headers.append((name.lower(), value.strip()))
    named = dict(headers)
    key = named.get(b"sec-websocket-key", b"")
    if (
        len(headers) == len(named) <= MOST_HEADERS
        and named.get(b"upgrade", b"").lower() == b"websocket"
        and named.get(b"connection", b"").lower() in CONNECTIONS
        and named.get(b"sec-websocket-version") == VERSION.encode()
        and _KEY.fullmatch(key)
        and b"content-length" not in named
        and b"transfer-encoding" not in named
    ):
        return Handshake(whole[1].decode(), headers, key)
    return None


def switching(key: bytes, subprotocol: str | None, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the answer 101 to a handshake with this key (RFC 6455, section 4.2.2), with what the application adds."""
    accept = b64encode(sha1(key + GUID, usedforsecurity=False).digest())
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
    ]
    if subprotocol is not None:
        lines.append(b"Sec-WebSocket-Protocol: " + subprotocol.encode("latin-1"))
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", b""])
