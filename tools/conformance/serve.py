"""Serve the echo by our server class, with a cap on messages that the suite does not reach."""

import logging

from serving.daphne_server import GracefulServer, ServerOptions
from tools.conformance.echo import application

# The suite's longest message has 16 MiB.
MAX_MESSAGE_BYTES = 32 << 20


def main() -> None:
    """Serve on a free port until the process is told to stop."""
    logging.basicConfig(level=logging.INFO)
    options = ServerOptions(
        drain_seconds=5,
        write_limit_bytes=0,
        max_message_bytes=MAX_MESSAGE_BYTES,
        max_body_bytes=1,
        has_temporary_files=True,
        websocket_paths=frozenset(),
        on_refused=lambda: None,
    )
    GracefulServer(application, ["tcp:port=0:interface=127.0.0.1"], server_options=options).run()


if __name__ == "__main__":
    main()
