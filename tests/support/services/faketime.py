"""A wall clock that a test can set, for the programs that it starts."""

from collections.abc import Mapping
from pathlib import Path

from tests.support.services.process import NotInstalledError


class WallClock:
    """`environment` makes a program read this clock; monotonic clocks go on evenly, as when a system's is set."""

    def __init__(self, directory: Path) -> None:
        libraries = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not libraries:
            raise NotInstalledError("libfaketime is not installed (Debian package: libfaketime)")
        self._file = directory / "faketime"
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set_to(0)

    def set_to(self, seconds: int) -> None:
        """Let the clock be so many seconds ahead of the true time, or behind it."""
        waiting = self._file.with_suffix(".new")
        waiting.write_text(f"{seconds:+d}\n")
        # At once: a program must not read half of it.
        waiting.replace(self._file)
