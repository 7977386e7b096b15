"""Telling the operator of writes that failed: once for each kind, as one fault may meet every client."""

import logging

logger = logging.getLogger(__name__)

_logged: set[type[Exception]] = set()


def log_failed_write(error: Exception) -> None:
    """Log the first exception of each type with its trace.

    RuntimeError, without one, is what uvicorn raises for a frame after its own close, and autobahn likewise: a client
    that broke the protocol is no bug.
    """
    kind = type(error)
    if kind in _logged:
        return
    _logged.add(kind)
    trace = None if isinstance(error, RuntimeError) else error
    logger.warning(
        "Writing to a client raised %s; that connection is closed, its calls are held. This is logged once.",
        kind.__qualname__,
        exc_info=trace,
    )
