import pytest

from signaling.protocol.closing import Hold, hold_after


@pytest.mark.parametrize(
    ("code", "hold"),
    [
        *((code, Hold.NONE) for code in (1000, 1005)),
        (1001, Hold.BRIEF),
        *((code, Hold.FULL) for code in (1002, 1006, 1011, 1012, 3000, 4000, 4409, 4999)),
    ],
)
def test_hold_after_a_close_is_none_brief_or_full(code: int, hold: Hold) -> None:
    assert hold_after(code) is hold
