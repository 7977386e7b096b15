from signaling.registry.memory_records import Deadlines


def test_deadlines_are_due_in_their_order_however_long_each_waits() -> None:
    deadlines = Deadlines()
    deadlines.set("late", 0, 30)
    deadlines.set("soon", 1, 5)
    deadlines.set("last", 2, 30)
    assert deadlines.due(5.5) == []
    assert deadlines.due(31) == ["soon", "late"]
    assert ("late" in deadlines, "last" in deadlines, len(deadlines)) == (False, True, 1)
    assert deadlines.due(32) == ["last"]


def test_deadline_that_is_taken_back_is_never_due() -> None:
    deadlines = Deadlines()
    deadlines.set("call", 0, 60)
    deadlines.discard("call")
    deadlines.discard("call")
    assert (len(deadlines), deadlines.due(60)) == (0, [])


def test_name_has_its_last_deadline_alone() -> None:
    deadlines = Deadlines()
    deadlines.set("client", 0, 30)
    deadlines.set("other", 0, 30)
    deadlines.set("client", 1, 5)
    deadlines.set("client", 2, 30)
    assert len(deadlines) == 2
    assert deadlines.due(31) == ["other"]
    assert deadlines.due(32) == ["client"]
