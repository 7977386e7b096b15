"""Show progress: a bar that stays on one line of a terminal, a line now and then elsewhere."""

import time
from typing import TextIO

BAR_WIDTH = 30
LINE_SECONDS = 5
CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Shows on `stream`; a line at a time where it is not a terminal."""

    def __init__(self, stream: TextIO) -> None:
        """Show nothing yet."""
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._shown_at = 0.0

    def show(self, share: float, text: str) -> None:
        """Show that `share` of the whole (0 to 1) is done; often enough to be called many times a second."""
        if self._is_terminal:
            done = round(share * BAR_WIDTH)
            self._write(f"{CLEAR_LINE}[{'#' * done}{'.' * (BAR_WIDTH - done)}] {share:4.0%}  {text}")
        elif time.monotonic() - self._shown_at >= LINE_SECONDS:
            self._shown_at = time.monotonic()
            self._write(f"{share:4.0%}  {text}\n")

    def end(self) -> None:
        """Leave a clean line behind."""
        if self._is_terminal:
            self._write(CLEAR_LINE)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
