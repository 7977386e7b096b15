"""Daphne with a graceful stop: every client is told, every application ends, then the process does.

On SIGTERM plain daphne sends no close frame and runs no consumer's cleanup. Here each client gets close 1012, each
application cleans up, and the process exits with status 0 within `drain_seconds`. The application hears of the start
and the stop by ASGI's lifespan events: of the start before a port opens, of the stop once all connections are gone.
"""

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from daphne.server import Server, twisted_loop
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from serving import endpoints as sockets
from serving.contract import SERVICE_RESTART
from serving.front import Front, Options
from serving.http_request import BodyLimits, BoundedFactory
from serving.hub import Hub
from serving.lifespan import Lifespan

# The name that operators filter by: that of the command.
logger = logging.getLogger("securecall_site.server")

# While stopping, a client that has not answered the close by now is dropped.
RESTART_HANDSHAKE_SECONDS = 1.5
# What a cancelled application gets for its `finally`, and then how long a stuck thread may hold up the exit.
CANCEL_SECONDS = 1
EXIT_SECONDS = 1
RESTART_REASON = "service restart"
TIMEOUT_CHECK_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What daphne has no option for."""

    drain_seconds: float
    # More that waits for one client is trouble; 0: no limit.
    write_limit_bytes: int
    max_message_bytes: int
    max_body_bytes: int
    # Whether a long body may wait in a file; otherwise it waits in memory.
    has_temporary_files: bool
    # Where there is nothing but a WebSocket.
    websocket_paths: frozenset[bytes]
    # Called for each opening handshake that is refused because the server stops.
    on_refused: Callable[[], None]


class GracefulServer(Server):  # type: ignore[misc]
    """Daphne's server for HTTP, with the wire for WebSockets and an end for both."""

    def __init__(
        self, application: Any, endpoints: Sequence[str] = (), *, server_options: ServerOptions, **options: Any
    ) -> None:
        """Pass daphne's options on; an endpoint that is no plain socket ends the start."""
        for description in endpoints:
            sockets.parse(description)
        options |= {"endpoints": endpoints, "ready_callable": self._get_ready}
        # Twisted's own signal handlers stop the reactor at once, before anybody could be told.
        super().__init__(application, signal_handlers=False, **options)
        # The sockets are the front's, and daphne would open them.
        self.endpoints: list[str] = []
        self._descriptions = endpoints
        self.connections: dict[Any, dict[str, Any]] = {}
        self._options = server_options
        self._lifespan = Lifespan(application)
        self._hub = Hub(
            twisted_loop,
            write_limit_bytes=server_options.write_limit_bytes,
            max_message_bytes=server_options.max_message_bytes,
        )
        self._drain: asyncio.Task[None] | None = None
        self.http_factory: BoundedFactory
        self._front: Front

    def run(self) -> None:
        """Let the application start, then open the sockets and serve until the server is told to stop."""
        twisted_loop.run_until_complete(self._lifespan.start_up())
        super().run()

    def _get_ready(self) -> None:
        """Open the sockets; the first connection is accepted once the reactor runs."""
        self.build()
        for description in self._descriptions:
            listening = sockets.listen(description)
            self._front.listen(listening)
            name = listening.getsockname()
            logger.info("listening on port %s", name[1] if isinstance(name, tuple) else "(socket)")
        for number in (signal.SIGTERM, signal.SIGINT):
            twisted_loop.add_signal_handler(number, self._begin_drain)
        globalLogPublisher.addObserver(log_failure)  # type: ignore[arg-type]  # Twisted's is a zope interface

    def build(self) -> Front:
        """Make what serves connections: daphne for HTTP, and the front before it."""
        options = self._options
        bodies = BodyLimits(options.max_body_bytes, options.has_temporary_files)
        self.http_factory = BoundedFactory(self, bodies, websocket_paths=options.websocket_paths, let_go=self._adopt)
        self._front = Front(
            self._hub,
            self.application,
            self.http_factory.take,
            Options(
                websocket_paths=options.websocket_paths,
                close_seconds=self.application_close_timeout,
                on_refused=options.on_refused,
            ),
        )
        return self._front

    def _adopt(self, connection: socket.socket, head: bytes) -> None:
        self._front.adopt(connection, head)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue[Any]:
        """Start the application of an HTTP request, and be told when it ends."""
        queue: asyncio.Queue[Any] = super().create_application(protocol, scope)
        task: asyncio.Task[None] = self.connections[protocol]["application_instance"]
        task.add_done_callback(partial(self._application_ended, protocol))
        return queue

    def application_checker(self) -> None:
        """Nothing: daphne asks each connection each second for what the methods around this are told."""

    def timeout_checker(self) -> None:
        """Look less often than daphne."""
        for protocol in list(self.connections):
            protocol.check_timeouts()
        twisted_loop.call_later(TIMEOUT_CHECK_SECONDS, self.timeout_checker)

    def protocol_disconnected(self, protocol: Any) -> None:
        """Forget the connection, once its application has ended too."""
        if (details := self.connections.get(protocol)) is None or "disconnected" in details:
            return
        super().protocol_disconnected(protocol)
        if "application_instance" in details:
            limit = self.application_close_timeout
            details["limit"] = twisted_loop.call_later(limit, self._cancel_application, protocol)
        else:
            del self.connections[protocol]

    def _cancel_application(self, protocol: Any) -> None:
        logger.warning("cancelling an application that outlived its connection")
        self.connections[protocol]["application_instance"].cancel()

    def _application_ended(self, protocol: Any, task: asyncio.Task[None]) -> None:
        details = self.connections[protocol]
        del details["application_instance"]
        is_connected = "disconnected" not in details
        if not is_connected:
            details["limit"].cancel()
            del self.connections[protocol]
        if task.cancelled() or (error := task.exception()) is None:
            return
        logger.error("the application raised an exception", exc_info=error)
        if is_connected and protocol.has_begun:
            protocol.loseConnection()  # half an HTTP response; daphne would try to begin another one
        elif is_connected:
            protocol.handle_exception(error)

    def _begin_drain(self) -> None:
        self._drain = twisted_loop.create_task(self._drain_and_stop())

    async def _drain_and_stop(self) -> None:
        logger.info("stopping: closing %d connections", len(self._hub.wires))
        for number in (signal.SIGTERM, signal.SIGINT):
            # Process 1 of a container ignores a signal without a handler, and this one needs no event loop.
            signal.signal(number, lambda *_: os._exit(1))
        limit = threading.Timer(self._options.drain_seconds + CANCEL_SECONDS + EXIT_SECONDS, os._exit, [1])
        limit.daemon = True
        limit.start()
        try:
            self._front.stop_listening()
            self._front.close_all(SERVICE_RESTART, RESTART_REASON)
            await self._wait_for_applications()
            await self._lifespan.shut_down()
        finally:
            self.stop()

    async def _wait_for_applications(self) -> None:
        start = twisted_loop.time()
        # Polled: applications end, requests begin and buffers empty in any order, for seconds at most.
        while self._is_busy() and (elapsed := twisted_loop.time() - start) < self._options.drain_seconds:
            if elapsed > RESTART_HANDSHAKE_SECONDS:
                for wire in list(self._hub.wires):
                    wire.drop()
            await asyncio.sleep(0.02)

    def _applications(self) -> Iterator[asyncio.Task[None]]:
        for details in self.connections.values():
            # Absent while a request is being read and after the application has ended.
            if "application_instance" in details:
                yield details["application_instance"]
        yield from self._hub.tasks

    def _is_busy(self) -> bool:
        # A writer is a transport whose buffer still holds part of a response.
        writers = reactor.getWriters()  # type: ignore[misc]  # Twisted types its reactor as a module
        return any(self._applications()) or bool(self._hub.wires) or bool(writers)

    def kill_all_applications(self) -> Any:
        """Cancel what has not ended by now, and give it a moment to clean up."""
        tasks = list(self._applications())
        if not tasks:
            return None
        logger.warning("cancelling %d applications that have not ended", len(tasks))
        for task in tasks:
            task.cancel()
        return Deferred.fromFuture(asyncio.ensure_future(asyncio.wait(tasks, timeout=CANCEL_SECONDS)))


def log_failure(event: dict[str, Any]) -> None:
    """Log exceptions in protocols; daphne turns Twisted's log off, and with it their traces."""
    # Its two generations of logging name it differently.
    if failure := event.get("log_failure") or event.get("failure"):
        trace = (failure.type, failure.value, failure.getTracebackObject())
        logger.error("a protocol raised an exception", exc_info=trace)
