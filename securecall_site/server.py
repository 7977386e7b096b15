"""The command line: `python -m securecall_site.server [--bind HOST] [--port PORT] [daphne options]`."""

import argparse
import os
import socket
import sys
from functools import partial

import django
from daphne.cli import CommandLineInterface
from django.conf import settings

from diagnostics import checks
from securecall_site.termination import exit_at_sigterm
from serving.daphne_server import GracefulServer, ServerOptions
from signaling.protocol.fields import MAX_READ_BYTES
from signaling.telemetry.counters import STOPPING, counters

APPLICATION = "securecall_site.asgi:application"
WEBSOCKET_PATHS = frozenset({b"/signal", b"/signal/"})

# The access log holds addresses.
DAPHNE_OPTIONS = ("--verbosity=0",)


class CommandLine(CommandLineInterface):  # type: ignore[misc]
    """Daphne's command line for `GracefulServer`."""

    description = "SecureCall's signaling server"

    def __init__(self) -> None:
        super().__init__()
        self.server_class = partial(GracefulServer, server_options=server_options())


def server_options() -> ServerOptions:
    """Return what the settings say of the server."""
    return ServerOptions(
        drain_seconds=settings.DRAIN_SECONDS,
        write_limit_bytes=settings.LIMITS.outbound_queue_bytes,
        max_message_bytes=MAX_READ_BYTES,
        max_body_bytes=settings.LIMIT_HTTP_BODY_BYTES,
        has_temporary_files=settings.HAS_TEMPORARY_FILES,
        websocket_paths=WEBSOCKET_PATHS,
        on_refused=count_refusal,
    )


def count_refusal() -> None:
    """Count an opening handshake that was refused because the server stops."""
    counters.connections_refused[STOPPING] += 1


def has_ipv6() -> bool:
    """Return whether a socket can listen on `::`; containers without IPv6 exist."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def main(arguments: list[str]) -> None:
    """Run the server until it is told to stop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "securecall_site.settings")
    # Until the event loop handles it.
    exit_at_sigterm()
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
