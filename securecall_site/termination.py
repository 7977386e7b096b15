"""SIGTERM before the server runs: a process is told to stop, and stops, whatever its number is.

The kernel gives process 1 of a container no signal that it has no handler for.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# What a shell says of a program that SIGTERM ended.
STATUS = 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """The process was told to stop. For this kind of exception psycopg cancels the statement that runs."""


def exit_at_sigterm() -> None:
    """End the process at SIGTERM from now on, also one that came while it was held back."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STATUS))
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def hold_sigterm_back() -> None:
    """Keep SIGTERM for the program that this process becomes."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Interrupt the block at SIGTERM, with the statement that runs on Postgres, and end the process."""
    if threading.current_thread() is not threading.main_thread():
        # No other can handle signals.
        yield
        return

    def interrupt(*_: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except Terminated:
        sys.exit(STATUS)
    finally:
        signal.signal(signal.SIGTERM, before)
