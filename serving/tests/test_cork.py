import asyncio

import pytest

from serving.cork import Cork


class FailedFlushError(Exception):
    """What these writers raise."""


class Connection:
    """Writes what it has, unless it is broken."""

    def __init__(self, cork: Cork) -> None:
        self.cork = cork
        self.unwritten: list[str] = []
        self.written: list[str] = []
        self.is_broken = self.is_given_up = False

    def write(self, word: str) -> None:
        if not self.unwritten:
            self.cork.add(self)
        self.unwritten.append(word)

    def flush(self) -> None:
        if self.is_broken:
            raise FailedFlushError
        self.written += self.unwritten
        self.unwritten.clear()

    def give_up(self) -> None:
        self.is_given_up = True


class HopelessConnection(Connection):
    def give_up(self) -> None:
        super().give_up()
        raise FailedFlushError


@pytest.fixture
def cork() -> Cork:
    return Cork()


async def test_writers_are_flushed_once_at_the_end_of_the_turn(cork: Cork) -> None:
    one = Connection(cork)
    for word in ("a", "b"):
        one.write(word)
    assert one.written == []
    await asyncio.sleep(0)
    assert one.written == ["a", "b"]


async def test_writers_are_flushed_at_the_end_of_a_read(cork: Cork) -> None:
    one = Connection(cork)
    with cork:
        one.write("a")
        assert one.written == []
    assert one.written == ["a"]


@pytest.mark.parametrize("kind", [Connection, HopelessConnection])
@pytest.mark.parametrize("is_reading", [True, False])
async def test_writer_that_raises_ends_alone(cork: Cork, kind: type[Connection], *, is_reading: bool) -> None:
    first, middle, last = Connection(cork), kind(cork), Connection(cork)
    middle.is_broken = True
    for word in ("then", "and later"):
        if is_reading:
            with cork:
                for one in (first, middle, last):
                    one.write(word)
        else:
            for one in (first, middle, last):
                one.write(word)
            await asyncio.sleep(0)
        assert [one.written[-1] for one in (first, last)] == [word, word]
    assert middle.is_given_up
    assert not first.is_given_up
    assert not last.is_given_up
    assert middle.written == []


async def test_read_that_raises_leaves_nobody_unwritten(cork: Cork) -> None:
    one, other = Connection(cork), Connection(cork)

    def read() -> None:
        with cork:
            one.write("before")
            raise KeyError

    with pytest.raises(KeyError):
        read()
    assert one.written == ["before"]
    other.write("after")
    await asyncio.sleep(0)
    assert other.written == ["after"]
