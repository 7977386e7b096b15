"""Daphne with a graceful stop: every client is told, every application ends, then the process does.

On SIGTERM plain daphne sends no close frame and runs no consumer's cleanup. Here each client gets close 1012, each
application cleans up, and the process exits with status 0 within `drain_seconds`. The application hears of the start
and the stop by ASGI's lifespan events: of the start before a port opens, of the stop once all connections are gone.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from daphne.server import Server, twisted_loop
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from serving.daphne_websocket import SignalingProtocol
from serving.http_request import bind_requests
from serving.lifespan import Lifespan
from serving.transport import EXTENSION, EventQueue

# The name that operators filter by: that of the command.
logger = logging.getLogger("securecall_site.server")

# While stopping, a client that has not answered the close by now is dropped.
RESTART_HANDSHAKE_SECONDS = 1.5
# What a cancelled application gets for its `finally`, and then how long a stuck thread may hold up the exit.
CANCEL_SECONDS = 1
EXIT_SECONDS = 1
TIMEOUT_CHECK_SECONDS = 10

# Frames are written to the socket itself, so over TLS they would go out in the clear.
PLAIN_ENDPOINTS = frozenset({"tcp", "tcp6", "unix", "fd", "systemd"})


class GracefulServer(Server):  # type: ignore[misc]
    """Daphne's server, which closes every WebSocket with 1012 and waits for every application before it exits.

    `on_refused` is called for each opening handshake that is refused because the server stops.
    """

    def __init__(
        self,
        application: Any,
        endpoints: Sequence[str] = (),
        *,
        drain_seconds: float,
        on_refused: Callable[[], None],
        **options: Any,
    ) -> None:
        """Check the endpoints and pass daphne's options on; an endpoint that is no plain socket ends the start."""
        require_plain(endpoints)
        options |= {"endpoints": endpoints, "ready_callable": self._get_ready}
        # Twisted's own signal handlers stop the reactor at once, before anybody could be told.
        super().__init__(application, signal_handlers=False, **options)
        self.on_refused = on_refused
        self._drain_seconds = drain_seconds
        self._lifespan = Lifespan(application)
        self.connections: dict[Any, dict[str, Any]] = {}
        self.is_draining = False
        self._ports: list[Any] = []
        self._drain: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Let the application start, then open the ports and serve until the server is told to stop."""
        twisted_loop.run_until_complete(self._lifespan.start_up())
        super().run()

    def _get_ready(self) -> None:
        """Prepare what `run` has built, before the first connection is accepted."""
        SignalingProtocol.settle(self.ws_factory)
        bind_requests(self.http_factory)
        for number in (signal.SIGTERM, signal.SIGINT):
            twisted_loop.add_signal_handler(number, self._begin_drain)
        globalLogPublisher.addObserver(log_failure)  # type: ignore[arg-type]  # Twisted's is a zope interface

    def listen_success(self, port: Any) -> None:
        """Remember the port to close it, and say that it is open."""
        super().listen_success(port)
        self._ports.append(port)
        logger.info("listening on port %s", getattr(port.getHost(), "port", "(socket)"))

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue[Any]:
        """Start the application, and be told when it ends."""
        queue: asyncio.Queue[Any]
        if isinstance(protocol, SignalingProtocol):
            queue = protocol.application_queue = EventQueue()
            scope |= {"asgi": {"version": "3.0"}, "extensions": {EXTENSION: protocol}}
            application = self.application(scope, protocol.receive, protocol.send)
            self.connections[protocol]["application_instance"] = twisted_loop.create_task(application)
        else:
            queue = super().create_application(protocol, scope)
        task: asyncio.Task[None] = self.connections[protocol]["application_instance"]
        task.add_done_callback(partial(self._application_ended, protocol))
        return queue

    def application_checker(self) -> None:
        """Nothing: daphne asks each connection each second for what the methods around this are told."""

    def timeout_checker(self) -> None:
        """Look less often than daphne; autobahn itself ends handshakes that take too long."""
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
        if is_connected and getattr(protocol, "_response_started", False):
            protocol.loseConnection()  # half an HTTP response; daphne would try to begin another one
        elif is_connected:
            protocol.handle_exception(error)

    def _begin_drain(self) -> None:
        self._drain = twisted_loop.create_task(self._drain_and_stop())

    async def _drain_and_stop(self) -> None:
        self.is_draining = True
        logger.info("stopping: closing %d connections", sum(1 for _ in self._websockets()))
        for number in (signal.SIGTERM, signal.SIGINT):
            # Process 1 of a container ignores a signal without a handler, and this one needs no event loop.
            signal.signal(number, lambda *_: os._exit(1))
        limit = threading.Timer(self._drain_seconds + CANCEL_SECONDS + EXIT_SECONDS, os._exit, [1])
        limit.daemon = True
        limit.start()
        try:
            for port in self._ports:
                port.stopListening()
            for protocol in self._websockets():
                protocol.close_for_restart()
            await self._wait_for_applications()
            await self._lifespan.shut_down()
        finally:
            self.stop()

    async def _wait_for_applications(self) -> None:
        start = twisted_loop.time()
        # Polled: applications end, requests begin and buffers empty in any order, for seconds at most.
        while self._is_busy() and (elapsed := twisted_loop.time() - start) < self._drain_seconds:
            if elapsed > RESTART_HANDSHAKE_SECONDS:
                for protocol in self._websockets():
                    protocol.transport.abortConnection()
            await asyncio.sleep(0.02)

    def _websockets(self) -> Iterator[SignalingProtocol]:
        for protocol, details in list(self.connections.items()):
            if isinstance(protocol, SignalingProtocol) and "disconnected" not in details:
                yield protocol

    def _applications(self) -> Iterator[asyncio.Task[None]]:
        for details in self.connections.values():
            # Absent while a request is being read and after the application has ended.
            if "application_instance" in details:
                yield details["application_instance"]

    def _is_busy(self) -> bool:
        # A writer is a transport whose buffer still holds part of a response.
        writers = reactor.getWriters()  # type: ignore[misc]  # Twisted types its reactor as a module
        return any(self._applications()) or any(self._websockets()) or bool(writers)

    def kill_all_applications(self) -> Any:
        """Cancel what has not ended by now, and give it a moment to clean up."""
        tasks = list(self._applications())
        if not tasks:
            return None
        logger.warning("cancelling %d applications that have not ended", len(tasks))
        for task in tasks:
            task.cancel()
        return Deferred.fromFuture(asyncio.ensure_future(asyncio.wait(tasks, timeout=CANCEL_SECONDS)))


def require_plain(endpoints: Sequence[str]) -> None:
    """Exit with a sentence where a Twisted endpoint, or what its `haproxy:` wraps, leads to no plain socket."""
    for description in endpoints:
        kind = description.removeprefix("haproxy:").partition(":")[0]
        if kind not in PLAIN_ENDPOINTS:
            raise SystemExit(
                f"SecureCall cannot start: the endpoint {kind}: is none of {', '.join(sorted(PLAIN_ENDPOINTS))}; this "
                "server speaks no TLS, so let the proxy in front end it, and give this one a plain socket."
            )


def log_failure(event: dict[str, Any]) -> None:
    """Log exceptions in protocols; daphne turns Twisted's log off, and with it their traces."""
    # Its two generations of logging name it differently.
    if failure := event.get("log_failure") or event.get("failure"):
        trace = (failure.type, failure.value, failure.getTracebackObject())
        logger.error("a protocol raised an exception", exc_info=trace)
