"""Filters that remove addresses and client IDs from the log records of libraries."""

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


class WithoutClients(logging.Filter):
    """For `uvicorn.error`, which logs every opening handshake with the client's address, and what a client did wrong.

    A text that is no UTF-8 is the client's error, closed with 1007; uvicorn writes a trace for each.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop both."""
        is_bad_text = record.exc_info is not None and isinstance(record.exc_info[1], UnicodeDecodeError)
        return not is_bad_text and '"WebSocket' not in str(record.msg)
