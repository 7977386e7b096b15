import pytest

from pkd.refusals import Refusals


def test_refusals_tell_the_first_of_a_kind_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals("keys", "clients are told to try again")
    for _ in range(3):
        refusals.note("publish", TimeoutError())
    refusals.note("look up", TimeoutError())
    refusals.note_success("look up")
    refusals.note_success("publish")
    refusals.note_success("publish")
    assert [record.getMessage() for record in caplog.records] == [
        "The database refuses to publish keys (TimeoutError); clients are told to try again",
        "The database no longer refuses to publish keys (TimeoutError)",
    ]
