"""What other people's log records lose before they are written: addresses and client IDs."""

import logging


class WithoutPath(logging.Filter):
    """For `django.request`: a path may hold a client ID, the route that it took does not.

    What a client did wrong (4xx) is not worth a line; what the server did wrong keeps its trace.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep errors, named by their route."""
        if record.levelno < logging.ERROR:
            return False
        match = getattr(record.__dict__.pop("request", None), "resolver_match", None)
        route = getattr(match, "route", "an unknown path")
        record.msg, record.args = "Internal Server Error at %s", (route,)
        return True


class WithoutHandshakes(logging.Filter):
    """For `uvicorn.error`, which logs every opening handshake with the client's address."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop handshakes."""
        return '"WebSocket' not in str(record.msg)
