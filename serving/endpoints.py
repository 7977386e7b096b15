"""Opening the sockets that Twisted's endpoint descriptions name, such as `tcp:port=8000:interface=127.0.0.1`."""

import os
import re
import socket
from pathlib import Path

BACKLOG = 4096
PLAIN = ("fd", "tcp", "tcp6", "unix")

# A colon divides, unless a backslash stands before it.
_DIVIDER = re.compile(r"(?<!\\):")
_ESCAPE = re.compile(r"\\(.)")


def listen(description: str) -> socket.socket:
    """Open the socket of an endpoint; exit with a sentence where it is no plain one, or cannot be opened."""
    kind, values = parse(description)
    try:
        if kind == "unix":
            return _unix(values)
        if kind == "fd":
            return _listening(socket.socket(fileno=os.dup(int(values.get("fileno", values.get("1", ""))))))
        return _tcp(kind, values)
    except (OSError, ValueError) as error:
        raise SystemExit(f"SecureCall cannot listen on {description!r}: {error}") from None


def parse(description: str) -> tuple[str, dict[str, str]]:
    """Split a description into its kind and its values, those without a name under their number."""
    kind, *parts = _DIVIDER.split(description)
    if kind not in PLAIN:
        raise SystemExit(
            f"SecureCall cannot start: the endpoint {kind}: is none of {', '.join(PLAIN)}; this server speaks no TLS, "
            "so let the proxy in front end it, and give this one a plain socket."
        )
    values: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        name, is_named, value = part.partition("=")
        values[name if is_named else str(number)] = _ESCAPE.sub(r"\1", value if is_named else name)
    return kind, values


def _tcp(kind: str, values: dict[str, str]) -> socket.socket:
    host = values.get("interface", "").strip("[]")
    is_6 = kind == "tcp6" or ":" in host
    listening = socket.socket(socket.AF_INET6 if is_6 else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Sockets that are accepted inherit it: frames are small and must not wait for each other.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind((host, int(values.get("port", values.get("1", "")))))
    except BaseException:
        listening.close()
        raise
    return _listening(listening, values)


def _unix(values: dict[str, str]) -> socket.socket:
    path = Path(values.get("address", values.get("1", "")))
    if path.is_socket():
        # Left behind by a process that was killed.
        path.unlink()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(int(values.get("mode", "666"), 8))
    return _listening(listening, values)


def _listening(listening: socket.socket, values: dict[str, str] | None = None) -> socket.socket:
    listening.setblocking(False)  # noqa: FBT003 -- the socket module's
    listening.listen(int((values or {}).get("backlog", BACKLOG)))
    return listening
