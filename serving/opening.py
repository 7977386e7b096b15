"""The opening handshake: what a client's first request asks for, and the answers to it (RFC 6455, section 4.2)."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from websockets.datastructures import Headers as LibraryHeaders
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from serving.contract import Scope
from serving.handshake import VERSION, Handshake, Headers, usual_handshake
from serving.rare_frames import logger, release

END_OF_HEAD = b"\r\n\r\n"
# What the library reads of a handshake; it is given no other, so that those are the application's to judge.
HANDSHAKE = ("Connection", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version")

_ABSOLUTE_FORM = re.compile(rb"(?:https?|wss?)://([^/?#]+)([^#]*)", re.IGNORECASE)

MALFORMED = "Send a valid opening handshake: a request line, headers with valid names and values, and no body."

Address = tuple[str, int]


@dataclass(slots=True)
class Opening:
    """A valid handshake, by the client's key, that awaits the application's answer."""

    key: bytes
    scope: Scope


def origin_form(target: bytes) -> tuple[bytes, bytes | None]:
    """Return the path and query of a request's target, and the host where it names one, as to a proxy.

    A server has to take such a target, and its host in place of the header's (RFC 9112, section 3.2.2).
    """
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        return target, None
    host, rest = absolute.groups()
    return rest if rest.startswith(b"/") else b"/" + rest, host


def is_for_us(head: bytes, paths: frozenset[bytes]) -> bool:
    """Return whether a request may ask for a WebSocket, or for a path where there is nothing else."""
    return b"websocket" in head.lower() or _path_of(head) in paths


def read_opening(
    head: bytes, client: Address | None, server: Address | None, paths: frozenset[bytes]
) -> Opening | bytes | None:
    """Read a request; returns the handshake, or what to answer to one that is not valid. None: it is plain HTTP."""
    handshake = usual_handshake(head) or _rare_handshake(head, paths)
    if isinstance(handshake, Handshake):
        return Opening(handshake.key, _scope(handshake.target, handshake.headers, client, server))
    return handshake


def refusal(status: int, sentence: str) -> bytes:
    """Return an HTTP answer that says why there is no other."""
    protocol = ServerProtocol(logger=logger)
    return _serialized(protocol, protocol.reject(status, f"{sentence}\n"))


def _rare_handshake(head: bytes, paths: frozenset[bytes]) -> Handshake | bytes | None:
    """Have the library read a request; returns what `read_opening` does."""
    protocol = ServerProtocol(logger=logger)
    protocol.receive_data(head)
    requests = [event for event in protocol.events_received() if isinstance(event, Request)]
    if not requests:
        release(protocol)
        return refusal(400, MALFORMED) if _asks(head) or _path_of(head) in paths else None
    (request,) = requests
    if not _wants_websocket(request.headers) and _path_of(head) not in paths:
        release(protocol)
        return None
    response = protocol.accept(_handshake_of(request))
    if response.status_code != 101:  # noqa: PLR2004 -- Switching Protocols
        if request.headers.get_all("Sec-WebSocket-Version") != [VERSION]:
            response.headers["Sec-WebSocket-Version"] = VERSION
        return _serialized(protocol, response)
    release(protocol)
    # A name with an underscore could pass for another in the environment of a CGI program.
    named = [(name, value) for name, value in request.headers.raw_items() if "_" not in name]
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in named]
    target, host = origin_form(request.path.encode("ascii"))
    if host is not None:
        headers = [(b"host", host), *((name, value) for name, value in headers if name != b"host")]
    return Handshake(target.decode(), headers, request.headers["Sec-WebSocket-Key"].encode())


def _serialized(protocol: ServerProtocol, response: Response) -> bytes:
    protocol.send_response(response)
    data = b"".join(protocol.data_to_send())
    release(protocol)
    return data


def _path_of(head: bytes) -> bytes:
    parts = head.split(b" ", 2)
    if len(parts) < 3:  # noqa: PLR2004 -- method, target and the rest
        return b""
    target, _ = origin_form(parts[1])
    return target.partition(b"?")[0]


def _asks(head: bytes) -> bool:
    lines = head.lower().split(b"\r\n")
    return any(line.startswith(b"upgrade:") and b"websocket" in line for line in lines)


def _wants_websocket(headers: LibraryHeaders) -> bool:
    tokens = ",".join(headers.get_all("Upgrade")).lower().split(",")
    return "websocket" in (token.strip() for token in tokens)


def _handshake_of(request: Request) -> Request:
    """Return the request with the handshake's headers alone.

    The library takes no `Upgrade` but `websocket`; a client may offer several protocols (RFC 9110, section 7.8).
    """
    headers = LibraryHeaders()
    for name in HANDSHAKE:
        for value in request.headers.get_all(name):
            headers[name] = value
    if _wants_websocket(headers):
        del headers["Upgrade"]
        headers["Upgrade"] = "websocket"
    return Request(request.path, headers, request.method, request.protocol)


def _scope(target: str, headers: Headers, client: Address | None, server: Address | None) -> Scope:
    path, _, query = target.partition("?")
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "root_path": "",
        "query_string": query.encode("ascii"),
        "headers": headers,
        "client": client,
        "server": server,
        "subprotocols": _subprotocols(headers),
        "extensions": {},
    }


def _subprotocols(headers: Headers) -> list[str]:
    offered = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
    return [token for token in map(str.strip, ",".join(offered).split(",")) if token]
