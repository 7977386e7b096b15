"""Daphne with a graceful stop.

    python -m securecall_site.server [--bind HOST] [--port PORT] [daphne options]

On SIGTERM plain daphne sends no close frame and runs no consumer's cleanup. Here each client is told (close
1012), each consumer cleans up, and the process exits with status 0 within `DRAIN_SECONDS` (PROTOCOL.md,
"Connection life").
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import django
from daphne.cli import CommandLineInterface
from daphne.server import Server, twisted_loop
from django.conf import settings
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from diagnostics import checks
from serving.daphne_websocket import SignalingProtocol
from serving.http_request import bind_requests
from serving.transport import EXTENSION, EventQueue
from signaling.cluster import node
from signaling.telemetry.counters import STOPPING, counters

logger = logging.getLogger("securecall_site.server")

APPLICATION = "securecall_site.asgi:application"
TRANSPORT_CAP_BYTES = 256 * 1024

# While stopping, a client that has not answered the close by now is dropped.
RESTART_HANDSHAKE_SECONDS = 1.5
# What a cancelled consumer gets for its `finally`, and then how long a stuck thread may hold up the exit.
CANCEL_SECONDS = 1
EXIT_SECONDS = 1
TIMEOUT_CHECK_SECONDS = 10

DAPHNE_OPTIONS = (
    "--verbosity=0",  # the access log holds addresses
    "--websocket_timeout=-1",  # daphne's default closes busy connections after a day
    f"--websocket-max-message-size={TRANSPORT_CAP_BYTES}",
    f"--websocket-max-frame-size={TRANSPORT_CAP_BYTES}",
    # In effect off: the heartbeat timeout finds dead peers, and pings would only add wake-ups and frames.
    f"--ping-interval={365 * 24 * 3600}",
)

# Frames are written to the socket itself, so over TLS they would go out in the clear.
PLAIN_ENDPOINTS = frozenset({"tcp", "tcp6", "unix", "fd", "systemd"})


class GracefulServer(Server):  # type: ignore[misc]
    """Daphne's server, which tells everyone and waits for every application before it exits."""

    def __init__(self, *args: Any, endpoints: Sequence[str] = (), **options: Any) -> None:
        """Take daphne's options; an endpoint that is no plain socket ends the start."""
        require_plain(endpoints)
        # Twisted's own signal handlers stop the reactor at once, before anybody could be told.
        super().__init__(*args, endpoints=endpoints, signal_handlers=False, ready_callable=self._get_ready, **options)
        self.connections: dict[Any, dict[str, Any]] = {}
        self.is_draining = False
        self._ports: list[Any] = []
        self._drain: asyncio.Task[None] | None = None

    def _get_ready(self) -> None:
        """Prepare what `run` has built, before the first connection is accepted."""
        SignalingProtocol.settle(self.ws_factory)
        bind_requests(self.http_factory)
        for number in (signal.SIGTERM, signal.SIGINT):
            twisted_loop.add_signal_handler(number, self._begin_drain)
        globalLogPublisher.addObserver(log_failure)  # type: ignore[arg-type]  # Twisted's is a zope interface

    def on_refused(self) -> None:
        """Count an opening handshake that is refused because the server stops."""
        counters.connections_refused[STOPPING] += 1

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
        limit = threading.Timer(settings.DRAIN_SECONDS + CANCEL_SECONDS + EXIT_SECONDS, os._exit, [1])
        limit.daemon = True
        limit.start()
        try:
            for port in self._ports:
                port.stopListening()
            for protocol in self._websockets():
                protocol.close_for_restart()
            await self._wait_for_applications()
            await node.stop()
        finally:
            self.stop()

    async def _wait_for_applications(self) -> None:
        start = twisted_loop.time()
        # Polled: applications end, requests begin and buffers empty in any order, for seconds at most.
        while self._is_busy() and (elapsed := twisted_loop.time() - start) < settings.DRAIN_SECONDS:
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


class CommandLine(CommandLineInterface):  # type: ignore[misc]
    """Daphne's command line for the server above."""

    description = "SecureCall's signaling server"
    server_class = GracefulServer


def has_ipv6() -> bool:
    """Whether a socket can listen on `::`; containers without IPv6 exist."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def main(arguments: list[str]) -> None:
    """Run the server until it is told to stop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "securecall_site.settings")
    # Before daphne, so that the LOGGING setting owns the root logger and daphne adds no handler of its own.
    django.setup()
    checks.report()
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-b", "--bind", default="::" if has_ipv6() else "0.0.0.0")  # noqa: S104  # a public server
    parser.add_argument("-p", "--port", type=int, default=settings.PORT)
    parser.add_argument("--application", default=APPLICATION)
    ours, daphnes = parser.parse_known_args(arguments)
    host = ours.bind.strip("[]").replace(":", r"\:")
    # Twisted's backlog of 50 refuses clients when all of them reconnect at once.
    endpoint = f"tcp:port={ours.port}:interface={host}:backlog=4096"
    CommandLine().run([*DAPHNE_OPTIONS, f"--endpoint={endpoint}", *daphnes, ours.application])


if __name__ == "__main__":
    main(sys.argv[1:])
