import logging
import os
import re
from collections.abc import Iterator
from contextlib import suppress

import pytest

from securecall_site.log_writer import LINES_A_MINUTE, LogWriter, Repeats
from signaling.telemetry.counters import NOT_READ, REPEATED, counters

LOST = re.compile(r"^(\d+) lines of the log were lost.*$\n", re.MULTILINE)
NUMBER = re.compile(r"number (\d+)$", re.MULTILINE)
SENTENCE = "A sentence that stands for any other"


class Pipe:
    """A pipe that is read when a test says so, and the log that is written to it."""

    def __init__(self, max_bytes: int) -> None:
        self.reading, self.writing = os.pipe()
        self.handler = LogWriter(self.writing, max_bytes)
        self.logger = logging.getLogger(f"pipe-{self.reading}")
        self.logger.propagate = False
        self.logger.setLevel(logging.INFO)
        self.logger.addHandler(self.handler)

    def fill(self) -> int:
        """Leave no room in it, as a reader does that hangs; returns how many bytes that took."""
        size = 0
        os.set_blocking(self.writing, False)
        with suppress(BlockingIOError):
            while True:
                size += os.write(self.writing, b"x" * 1024)
        os.set_blocking(self.writing, True)
        return size

    def read(self, until: str) -> str:
        """Read until a text has come."""
        found = b""
        while until.encode() not in found:
            found += os.read(self.reading, 65536)
        return found.decode()

    def close(self) -> None:
        """Close both ends, after which nothing is written."""
        self.logger.removeHandler(self.handler)
        os.close(self.reading)
        self.handler.close()
        os.close(self.writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe(max_bytes=10_000)
    yield made
    made.close()


@pytest.fixture
def lost() -> dict[str, int]:
    return dict(counters.log_lines_lost)


def test_lines_come_in_their_order(pipe: Pipe) -> None:
    for number in range(100):
        pipe.logger.info("%s, number %d", SENTENCE, number)
    found = pipe.read("number 99\n")
    assert found.splitlines() == [f"{SENTENCE}, number {number}" for number in range(100)]


@pytest.mark.parametrize("is_blocking", [True, False], ids=["a pipe", "a pipe that others made non-blocking"])
def test_log_that_nobody_reads_loses_lines_and_says_so(pipe: Pipe, lost: dict[str, int], *, is_blocking: bool) -> None:
    size = pipe.fill()
    os.set_blocking(pipe.writing, is_blocking)
    for number in range(10_000):
        pipe.logger.info("%s, number %d", SENTENCE, number)
    count = counters.log_lines_lost[NOT_READ] - lost[NOT_READ]
    # What fits waits: some 50 bytes each.
    assert 9_700 < count < 9_900
    found = pipe.read("x" * size)[size:]
    while (told := sum(int(number) for number in LOST.findall(found))) < count:
        found += pipe.read("\n")
    assert told == count
    numbers = [int(number) for number in NUMBER.findall(found)]
    assert len(numbers) == 10_000 - count
    assert numbers == sorted(numbers)
    pipe.logger.info("And on")
    assert pipe.read("And on\n") == "And on\n"


def test_reader_that_hangs_does_not_keep_the_process_from_its_end(pipe: Pipe) -> None:
    pipe.fill()
    pipe.logger.info(SENTENCE)
    pipe.handler.flush()
    pipe.handler.flush()


def test_reader_that_went_away_stops_nothing(pipe: Pipe, lost: dict[str, int]) -> None:
    os.close(pipe.reading)
    for _ in range(1000):
        pipe.logger.info(SENTENCE)
        pipe.handler.flush()
    assert counters.log_lines_lost == lost
    pipe.reading = os.open(os.devnull, os.O_RDONLY)


def test_line_is_written_so_often_in_a_minute(pipe: Pipe, lost: dict[str, int]) -> None:
    for number in range(500):
        pipe.logger.warning("A stranger did something, number %d", number)
    pipe.logger.error("A stranger did something, number %d", 0)
    pipe.logger.info("The end")
    lines = pipe.read("The end\n").splitlines()
    assert lines[:LINES_A_MINUTE] == [f"A stranger did something, number {number}" for number in range(LINES_A_MINUTE)]
    assert lines[LINES_A_MINUTE:] == [
        "Lines such as the last one are left out until the minute is over.",
        "A stranger did something, number 0",
        "The end",
    ]
    assert counters.log_lines_lost[REPEATED] - lost[REPEATED] == 500 - LINES_A_MINUTE


def test_line_is_written_again_in_the_next_minute() -> None:
    repeats = Repeats()
    record = logging.LogRecord("name", logging.WARNING, "", 0, SENTENCE, None, None)
    assert [repeats.count(record, 1000.0 + number) for number in range(59)] == list(range(1, 60))
    assert repeats.count(record, 1060.0) == 1
