"""How a file is cut into lines; the rules of their fields are in `test_import_keys.py`."""

import io
import json
import tracemalloc
from pathlib import Path

import pytest

from pkd.files.parse import MAX_LINE_BYTES, NO_OBJECT, TOO_LONG, parse

ALICE = '{"clientId":"alice","publicKey":"first"}'
BOB = '{"clientId":"bob","publicKey":"second"}'


def keys_of(text: str | bytes) -> dict[int, str | None]:
    """Parse a file without a bad line; returns the key of each line."""
    content = text.encode() if isinstance(text, str) else text
    keys = {}
    for number, record, problem in parse(io.BytesIO(content)):
        assert record, (number, problem)
        keys[number] = record.public_key
    return keys


def problems_of(content: bytes) -> dict[int, str]:
    return {number: problem for number, _, problem in parse(io.BytesIO(content)) if problem}


@pytest.mark.parametrize(
    "text",
    [
        f"{ALICE}\n{BOB}\n",
        f"{ALICE}\n{BOB}",
        f"{ALICE}\r\n{BOB}\r\n",
        f"\ufeff{ALICE}\n{BOB}\n",
        f"\ufeff \t{ALICE} \t\r\n\t{BOB}\r",
    ],
    ids=["LF", "no LF at the end", "CRLF", "byte order mark", "blanks around"],
)
def test_line_is_a_record(text: str) -> None:
    assert keys_of(text) == {1: "first", 2: "second"}


def test_blank_lines_count_and_are_passed_over() -> None:
    assert keys_of(f"\n \t\r\n{ALICE}\n\r\n\r\n{BOB}\n\n") == {3: "first", 6: "second"}


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029", "\xa0", "\ufeff"])
def test_line_ends_at_no_other_character(end: str) -> None:
    key = f"{end}a{end}b{end}"
    assert keys_of(f"{json.dumps({'clientId': 'alice', 'publicKey': key}, ensure_ascii=False)}\n{BOB}") == {
        1: key,
        2: "second",
    }


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2028", "\ufeff"])
def test_no_other_character_is_white_space(character: str) -> None:
    text = f"{ALICE}\n{character}\n{character}{BOB}\n{BOB}{character}\n"
    assert problems_of(text.encode()) == {2: NO_OBJECT, 3: NO_OBJECT, 4: NO_OBJECT}


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_lines_behind_one_that_is_too_long_are_parsed(start: str) -> None:
    content = f"{start}{ALICE}\n".encode() if not start else start.encode()
    content += b'{"clientId":"' + b"x" * MAX_LINE_BYTES + f'"}}\nno object\n{BOB}\n'.encode()
    first = 1 if start else 2
    assert problems_of(content) == {first: TOO_LONG, first + 1: NO_OBJECT}


def test_line_may_be_as_long_as_the_limit() -> None:
    padding = " " * (MAX_LINE_BYTES - len(ALICE) - 1)
    assert keys_of(f"{ALICE}{padding}\n{BOB}\n") == {1: "first", 2: "second"}


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak_of(lines: int) -> int:
        path = tmp_path / "keys.jsonl"
        path.write_text(f'{{"clientId":"alice","publicKey":"{"k" * 1_000}"}}\n' * lines)
        with path.open("rb") as file:
            tracemalloc.start()
            try:
                assert sum(1 for line in parse(file) if line.record) == lines
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    peak_of(1)
    # Other threads of the test's process allocate too, but not a tenth of the file.
    assert peak_of(1_000) < 1_000 * 1_000 / 10
