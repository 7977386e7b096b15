"""What `make conformance` makes of the suite's report, and what it says without the suite's Python."""

import sys

import pytest

from tests.support.client import Client
from tests.support.servers import server
from tools.conformance.__main__ import ECHO, main
from tools.conformance.verdicts import CAPPED, Outcome, details, summary, unexplained

OK = Outcome("OK", "OK", 1000)
TOO_BIG = Outcome("FAILED", "OK", 1009)


def test_case_that_failed_is_unexplained() -> None:
    outcomes = {"5.15": Outcome("FAILED", "OK", 1002), "5.2": OK, "5.3": Outcome("OK", "UNCLEAN", None)}
    assert unexplained(outcomes, CAPPED) == ["5.3", "5.15"]


def test_case_is_explained_only_as_it_is_explained() -> None:
    assert unexplained({"9.1.6": TOO_BIG, "9.3.1": TOO_BIG}, CAPPED) == []
    assert unexplained({"9.1.6": Outcome("FAILED", "OK", 1011)}, CAPPED) == ["9.1.6"]
    assert unexplained({"9.1.6": TOO_BIG}, {}) == ["9.1.6"]
    assert unexplained({"9.1.1": TOO_BIG}, CAPPED) == ["9.1.1"]


def test_case_that_fails_late_is_not_well() -> None:
    late = Outcome("NON-STRICT", "OK", 1007)
    assert unexplained({"6.4.1": late}, CAPPED) == ["6.4.1"]
    assert str(late) == "non-strict (1007)"


def test_tables_count_by_chapter_and_name_what_did_not_pass() -> None:
    report = {"ours": {"1.1.1": OK, "9.1.3": TOO_BIG, "9.1.4": TOO_BIG}, "another": {"1.1.1": OK, "9.1.3": OK}}
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in summary(report).splitlines()]
    assert ["9 Limits and performance", "0 of 2", "1 of 1"] in lines
    assert ["All", "1 of 3", "2 of 2"] in lines
    assert "| 9.1.3" in details(report)
    assert "1.1.1" not in details(report)


@pytest.mark.parametrize(
    "python", ["", "/no/such/python", sys.executable], ids=["none", "one that is not there", "a newer one"]
)
def test_without_a_python_27_it_says_what_to_do(capsys: pytest.CaptureFixture[str], python: str) -> None:
    assert main([python]) == 2
    assert "make conformance PYTHON27=" in capsys.readouterr().err


async def test_echo_sends_back_what_it_hears() -> None:
    with server(application=ECHO) as running:
        for path in ("/signal", "/asgi"):
            async with Client(running.ws_url.replace("/signal", path)) as client:
                for message in ("text", b"bytes"):
                    await client.connection.send(message)
                    assert await client.connection.recv() == message
