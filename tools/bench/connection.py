"""One connection of the load client, and its socket."""

import socket
import struct
from collections.abc import Callable

FrameHandler = Callable[[bytes, int, int], None]  # the bytes read, and where in them the message stands


SEND_TIMEOUT = struct.pack("ll", 10, 0)


class BenchError(Exception):
    """The server did what makes the figures worthless."""


class Connection:
    """One registered client. `deliver` gets its text frames."""

    __slots__ = ("client", "deliver", "fd", "receive", "rest", "send", "socket")

    def __init__(self, client: str, sock: socket.socket, deliver: FrameHandler) -> None:
        """Wrap a connected socket."""
        self.client = client
        self.socket = sock
        self.fd = sock.fileno()
        self.send = sock.sendall
        self.receive: Callable[[int], bytes] = sock.recv
        self.rest = b""
        self.deliver = deliver


def connected_socket(address: str, port: int) -> socket.socket:
    """Connect from this loopback address to a port of this machine."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SEND_TIMEOUT)
    # The port is chosen at connect(), so that one port serves many destinations.
    sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
    sock.bind((address, 0))
    sock.connect(("127.0.0.1", port))
    return sock
