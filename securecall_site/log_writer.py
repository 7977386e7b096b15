"""The handler that writes the log: it waits for nobody, and no kind of line fills it.

A thread writes to standard error. Where nobody reads there, a pipe is full at 64 KiB and a write waits for ever, and
with it would the event loop. So lines wait in memory, up to a bound; what comes beyond it is lost, counted, and told
once the reader is back. What strangers can bring about again and again is written so often in a minute, and no more.
"""

import logging
import os
import select
import threading
import time
from collections import deque

from signaling.telemetry.counters import NOT_READ, REPEATED, counters

STANDARD_ERROR = 2
MAX_BYTES = 1024 * 1024
# A process that ends gives its last lines this long.
FLUSH_SECONDS = 1.0
LINES_A_MINUTE = 30
MINUTE_SECONDS = 60.0
# Kinds of lines are few; a library that makes a new one each time must not make this grow.
MOST_KINDS = 1000

Kind = tuple[str, int, str]


class Repeats:
    """Counts the warnings and errors of each kind, which is what calls the logger, in the minute that runs."""

    def __init__(self) -> None:
        self._counts: dict[Kind, int] = {}
        self._ends_at = 0.0

    def count(self, record: logging.LogRecord, now: float) -> int:
        """Return how many of its kind this record is in the minute; 0 for what only tells of what was done."""
        if record.levelno < logging.WARNING:
            return 0
        if now >= self._ends_at or len(self._counts) > MOST_KINDS:
            self._counts.clear()
            self._ends_at = now + MINUTE_SECONDS
        kind = (record.name, record.levelno, str(record.msg))
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]


class LogWriter(logging.Handler):
    """Writes records to a file descriptor, from a thread; `emit` never waits."""

    def __init__(self, descriptor: int = STANDARD_ERROR, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._repeats = Repeats()
        # What waits, its length, and whether the thread has some of it; guarded by the condition.
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._is_writing = False
        self._lost = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Let a record wait for the thread; drop it where too much waits, or too many of its kind were written."""
        count = self._repeats.count(record, time.monotonic())
        if count > LINES_A_MINUTE:
            counters.log_lines_lost[REPEATED] += 1
            return
        try:
            self._add(self._line(record))
            if count == LINES_A_MINUTE:
                sentence = "Lines such as the last one are left out until the minute is over."
                self._add(self._line(logging.LogRecord(record.name, record.levelno, "", 0, sentence, None, None)))
        except Exception:  # noqa: BLE001 -- as every handler of the library: a bad record must not end its caller
            self.handleError(record)

    def flush(self) -> None:
        """Wait until everything is written, for a moment."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._lines or self._lost or self._is_writing), FLUSH_SECONDS)

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(errors="backslashreplace")

    def _add(self, line: bytes) -> None:
        with self._changed:
            if self._bytes + len(line) > self._max_bytes:
                self._lost += 1
                counters.log_lines_lost[NOT_READ] += 1
                return
            self._lines.append(line)
            self._bytes += len(line)
            if self._thread is None:
                # A write that waits must not keep the process from its end.
                self._thread = threading.Thread(target=self._write_on, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _write_on(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines or self._lost)
                data, size, lost, self._lost = b"".join(self._lines), self._bytes, self._lost, 0
                self._lines.clear()
                self._is_writing = True
            if lost:
                sentence = f"{lost} lines of the log were lost: nobody read it for a while."
                data += self._line(logging.LogRecord(__name__, logging.WARNING, "", 0, sentence, None, None))
            self._write(memoryview(data))
            with self._changed:
                self._bytes -= size

    def _write(self, view: memoryview) -> None:
        while view:
            try:
                written = os.write(self._descriptor, view)
            except BlockingIOError:
                # Another program that shares the descriptor made it so.
                select.select([], [self._descriptor], [])
                continue
            except OSError:
                # Nobody will ever read it.
                written = len(view)
            view = view[written:]
