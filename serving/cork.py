"""Holding back what is written until a read is over: a burst of frames is one system call."""

import asyncio
from typing import Protocol

from serving.failures import log_failed_write


class Writer(Protocol):
    """Has something to write."""

    def flush(self) -> None:
        """Write it."""

    def give_up(self) -> None:
        """Close the connection, which could not be written to."""


class Cork:
    """Has writers flushed at the end of the read that made them write, or else of the event loop's turn.

    A server that writes every frame by itself spends a quarter of what relaying a message costs on that.
    """

    def __init__(self) -> None:
        self._waiting: list[Writer] = []
        self._is_reading = False

    def add(self, writer: Writer) -> None:
        """Have `writer` flushed."""
        if not self._waiting and not self._is_reading:
            asyncio.get_running_loop().call_soon(self._pull)
        self._waiting.append(writer)

    def __enter__(self) -> None:
        self._is_reading = True

    def __exit__(self, *_: object) -> None:
        self._is_reading = False
        self._pull()

    def _give_up(self, writer: Writer) -> None:
        try:
            writer.give_up()
        except Exception as error:  # noqa: BLE001 -- likewise
            log_failed_write(error)

    def _pull(self) -> None:
        waiting, self._waiting = self._waiting, []
        for writer in waiting:
            try:
                writer.flush()
            except Exception as error:  # noqa: BLE001 -- the other writers of the turn are others' connections
                log_failed_write(error)
                self._give_up(writer)


cork = Cork()
