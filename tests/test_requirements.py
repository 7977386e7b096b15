"""The locks: what is installed is what `make lock` pinned, to the last dependency and the last byte."""

import re

import pytest

from tests.support.servers import ROOT

NAMES = ("requirements", "requirements-dev")
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", re.MULTILINE)


def pinned(name: str) -> set[tuple[str, str]]:
    """Every package of a file, and a version of it; there may be one for each kind of Python."""
    return {(package.lower(), version) for package, version in PIN.findall((ROOT / name).read_text())}


@pytest.mark.parametrize("name", NAMES)
def test_lock_is_what_is_asked_for(name: str) -> None:
    asked = pinned(f"{name}.in")
    assert asked
    assert asked <= pinned(f"{name}.txt"), "run `make lock`"


def test_tests_run_on_what_is_deployed() -> None:
    assert pinned("requirements.txt") <= pinned("requirements-dev.txt"), "run `make lock`"


@pytest.mark.parametrize("name", NAMES)
def test_lock_has_a_hash_for_every_package_and_names_no_place(name: str) -> None:
    text = (ROOT / f"{name}.txt").read_text()
    requirements = re.sub(r"\\\n\s+", "", text).splitlines()
    assert [line for line in requirements if "--hash=sha256:" not in line and not line.startswith("#")] == []
    assert "://" not in text
