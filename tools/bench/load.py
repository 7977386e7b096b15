"""The load client: one thread, one epoll, no framework, so that the server is what a figure is about.

It speaks the protocol by hand and not by `securecall_client`: a client that decodes messages and awaits them takes
several times the server's own time, would be the limit of every run, and would hide the microseconds that are compared.
"""

import select
import time
from collections import deque

from tools.bench.connection import BenchError, Connection, connected_socket
from tools.bench.dialects import Dialect
from tools.bench.frames import HANDSHAKE_ACCEPT, PONG, frame, handshake

TEXT, CLOSE, PING = 0x81, 0x88, 0x89
READ_BYTES = 65_536
HEARTBEAT_SECONDS = 30
CONNECTIONS_PER_ADDRESS = 40  # 10,000 clients do not share one IP
OPEN_SECONDS = 120
OPENING_AT_ONCE = 32  # below the listen backlog of 50 that daphne asks for


class Load:
    """All the clients of one server."""

    def __init__(self, ports: list[int], dialect: Dialect) -> None:
        """Talk to the server's processes in turn: the first client to the first port, and so on."""
        self.ports = ports
        self.dialect = dialect
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.received_at = 0.0
        self.heartbeats = 0
        self.heartbeat_replies = 0
        self.closed_by_server: list[str] = []
        self._opening = 0
        self._opened = 0
        # The idle ones in the order of their next heartbeat, each with when it last spoke.
        self._idle: deque[tuple[float, Connection]] = deque()

    def close(self) -> None:
        """Drop every connection."""
        self.epoll.close()
        for connection in self.connections.values():
            connection.socket.close()
        self.connections.clear()
        self._idle.clear()

    # --- Connecting ------------------------------------------------------------------------------

    def open(self, clients: list[str], *, idle: bool, at_once: int = OPENING_AT_ONCE) -> list[Connection]:
        """Connect and register these clients, so many at once; returns when the last one is registered."""
        waiting = deque(enumerate(clients))
        opened: list[Connection] = []
        limit = time.perf_counter() + OPEN_SECONDS
        while waiting or self._opening:
            while waiting and self._opening < at_once:
                position, client = waiting.popleft()
                opened.append(self._connect(client, self.ports[position % len(self.ports)], idle=idle))
            self.poll(0.1)
            if self.closed_by_server:
                raise BenchError(f"the server refused a connection: {self.closed_by_server[0]}")
            if time.perf_counter() > limit:
                raise BenchError(f"{self._opening} of {len(clients)} connections not open in {OPEN_SECONDS} s")
        return opened

    def _connect(self, client: str, port: int, *, idle: bool) -> Connection:
        sock = connected_socket(f"127.0.0.{2 + self._opened // CONNECTIONS_PER_ADDRESS % 250}", port)
        self._opened += 1
        self._opening += 1
        connection = Connection(client, sock, self._ignore)
        connection.deliver = lambda data, start, end: self._on_registered(connection, data[start:end], idle=idle)
        connection.receive = lambda _size: self._on_handshake(connection)
        self.connections[connection.fd] = connection
        self.epoll.register(connection.fd, select.EPOLLIN)
        sock.sendall(handshake(f"127.0.0.1:{port}", self.dialect.path(client)))
        return connection

    def _on_handshake(self, connection: Connection) -> bytes:
        """Stand in for recv() until the response to the handshake is complete; gives what follows it."""
        data = connection.socket.recv(READ_BYTES)
        if not data:
            return data
        head, blank, rest = (connection.rest + data).partition(b"\r\n\r\n")
        if not blank:
            connection.rest = head
            raise BlockingIOError
        if b" 101 " not in head.split(b"\r\n")[0] or HANDSHAKE_ACCEPT not in head:
            raise BenchError(f"no handshake: {head[:200]!r} {rest[:200]!r}")
        connection.rest = b""
        connection.receive = connection.socket.recv
        if register := self.dialect.register(connection.client):
            connection.send(register)
        if not rest:
            raise BlockingIOError
        return rest

    def _on_registered(self, connection: Connection, message: bytes, *, idle: bool) -> None:
        if self.dialect.registered not in message:
            raise BenchError(f"not registered: {message[:200]!r}")
        self._opening -= 1
        connection.deliver = self._on_heartbeat_reply if idle else self._ignore
        if idle:
            self._idle.append((time.perf_counter(), connection))

    # --- Running ---------------------------------------------------------------------------------

    def poll(self, timeout_seconds: float) -> bool:
        """Wait for readable sockets and hand their frames on; False when nothing came."""
        events = self.epoll.poll(timeout_seconds, 512)
        connections = self.connections
        for fd, _ in events:
            connection = connections[fd]
            try:
                data = connection.receive(READ_BYTES)
            except BlockingIOError:
                continue
            except ConnectionError as error:
                self._forget(connection, type(error).__name__)
                continue
            self.received_at = time.perf_counter()
            if not data:
                self._forget(connection, "end of stream")
                continue
            if connection.rest:
                data = connection.rest + data
            connection.rest = self._read_frames(connection, data)
        return bool(events)

    def _read_frames(self, connection: Connection, data: bytes) -> bytes:
        """Deliver every whole frame; gives what is left over."""
        position, size = 0, len(data)
        while size - position >= 2:  # noqa: PLR2004 - the least a frame has
            length = data[position + 1]
            start = position + 2
            if length == 126:  # noqa: PLR2004 - RFC 6455, section 5.2
                start += 2
                length = int.from_bytes(data[position + 2 : start], "big")
            elif length == 127:  # noqa: PLR2004
                start += 8
                length = int.from_bytes(data[position + 2 : start], "big")
            end = start + length
            if end > size:
                return data[position:]
            opcode = data[position]
            if opcode == TEXT:
                connection.deliver(data, start, end)
            elif opcode == PING:
                connection.send(frame(data[start:end], PONG))
            elif opcode == CLOSE:
                code = int.from_bytes(data[start : start + 2], "big")
                self._forget(connection, f"close {code} {data[start + 2 : end]!r}")
                return b""
            else:
                raise BenchError(f"a frame with first byte {opcode:#x}")
            position = end
        return data[position:]

    def run(self, seconds: float) -> None:
        """Handle what arrives for this long; a client that is silent for long sends a heartbeat and stays connected."""
        until = time.perf_counter() + seconds
        while (now := time.perf_counter()) < until:
            if self._idle and now - self._idle[0][0] > HEARTBEAT_SECONDS * 1.5:
                self.beat(now)
            self.poll(min(0.05, until - now))

    def run_heartbeats(self, seconds: float) -> int:
        """Send every idle client's 30 s heartbeats, spread evenly, for this long; gives how many."""
        interval = HEARTBEAT_SECONDS / len(self._idle)
        begin = time.perf_counter()
        sent = 0
        while (elapsed := time.perf_counter() - begin) < seconds:
            while sent * interval <= elapsed:
                self.beat(begin + elapsed)
                sent += 1
            self.poll(min(max(sent * interval - elapsed, 0.0), 0.05))
        return sent

    def beat(self, now: float) -> None:
        """Send the heartbeat of the client that has been silent longest."""
        _, connection = self._idle.popleft()
        if connection.fd in self.connections:
            connection.send(self.dialect.heartbeat)
            self.heartbeats += 1
            self._idle.append((now, connection))

    def _on_heartbeat_reply(self, data: bytes, start: int, end: int) -> None:
        if data.find(self.dialect.heartbeat_reply, start, end) < 0:
            raise BenchError(f"not a reply to a heartbeat: {data[start:end][:200]!r}")
        self.heartbeat_replies += 1

    def _ignore(self, data: bytes, start: int, end: int) -> None:
        pass

    def _forget(self, connection: Connection, reason: str) -> None:
        """Drop a connection that the server closed, and remember that it did."""
        self.closed_by_server.append(f"{connection.client}: {reason}")
        self.epoll.unregister(connection.fd)
        del self.connections[connection.fd]
        connection.socket.close()
