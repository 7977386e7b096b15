from typing import Any

import pytest
from msgspec import UNSET

from pkd.keys import DEFAULT_MAX_BYTES, problem
from pkd.tests.samples import KEYS, LONGEST

BROKEN: dict[str, tuple[Any, str]] = {
    "missing": (UNSET, "publicKey is missing; give the key as a string."),
    "null": (None, "publicKey is not a string; give the key as one."),
    "a number": (7, "publicKey is not a string; give the key as one."),
    "an object": ({"kty": "OKP"}, "publicKey is not a string; give the key as one."),
    "empty": ("", "publicKey is empty; give a key of at least one character."),
    "NUL": ("a\0b", "publicKey holds the character U+0000; give a key without it."),
    "half a pair": (
        "\ud800",
        "publicKey holds half of a surrogate pair, which is no character; give a key without it.",
    ),
    "one byte too long": (
        f"{LONGEST}k",
        "publicKey is 16,385 bytes long in UTF-8; give a key of at most 16,384 bytes.",
    ),
    "bytes, not characters": (
        "🙂" * 4_096 + "k",
        "publicKey is 16,385 bytes long in UTF-8; give a key of at most 16,384 bytes.",
    ),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_problem_finds_none_with_keys_as_people_have_them(key: str) -> None:
    assert problem(key, DEFAULT_MAX_BYTES) == ""


@pytest.mark.parametrize(("key", "sentence"), BROKEN.values(), ids=BROKEN)
def test_problem_names_the_broken_rule(key: Any, sentence: str) -> None:
    assert problem(key, DEFAULT_MAX_BYTES) == sentence


def test_problem_knows_no_length_without_a_limit() -> None:
    assert problem("k" * 60_000, 0) == ""


@pytest.mark.parametrize("code", [*range(1, 0x300), 0x2028, 0xD7FF, 0xE000, 0xFEFF, 0xFFFF, 0x10FFFF])
def test_problem_finds_none_with_any_other_character(code: int) -> None:
    assert problem(chr(code), 4) == ""
