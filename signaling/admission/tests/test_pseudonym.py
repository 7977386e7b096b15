import re

import pytest
from pytest_django import Settings

from signaling.admission import pseudonym as module
from signaling.admission.pseudonym import pseudonym


@pytest.fixture(autouse=True)
def _no_key_is_remembered() -> None:
    module._key.cache_clear()  # noqa: SLF001 -- a server's key never changes


def test_pseudonym_is_short_and_printable() -> None:
    assert re.fullmatch("[0-9a-f]{12}", pseudonym("alice"))


def test_pseudonym_stays_the_same() -> None:
    assert pseudonym("alice") == pseudonym("alice")


def test_pseudonym_tells_names_apart() -> None:
    names = [f"client-{number}" for number in range(1000)]
    assert len({pseudonym(name) for name in names}) == 1000


def test_pseudonym_says_nothing_without_the_key(settings: Settings) -> None:
    settings.SECRET_KEY = "one key"
    before = pseudonym("alice")
    module._key.cache_clear()  # noqa: SLF001 -- likewise
    settings.SECRET_KEY = "another key"
    after = pseudonym("alice")
    module._key.cache_clear()  # noqa: SLF001 -- likewise
    assert before != after


@pytest.mark.parametrize("name", ["", "\u00e9", "x" * 100_000])
def test_pseudonym_takes_any_name(name: str) -> None:
    assert len(pseudonym(name)) == 12
