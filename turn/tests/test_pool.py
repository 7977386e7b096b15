import threading
import time
from collections.abc import Callable

import pytest

from tests.support.servers import eventually
from turn.credentials import TurnSettings
from turn.pool import Pooled, ProviderError, State
from turn.provider import IceServer

TURN = TurnSettings(secrets=("key",), urls=("turn:a.example.com",), ttl_seconds=600)


class Provider(Pooled):
    """A provider that answers with a number, or as it is told."""

    name = "Acme"

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.fails = False
        self.may_answer = threading.Event()
        self.may_answer.set()

    def ask(self, _turn: TurnSettings) -> list[IceServer]:
        self.asked += 1
        number = self.asked
        self.may_answer.wait(10)
        if self.fails:
            raise ProviderError("it answers 500")
        return [{"urls": "turn:a.example.com", "username": str(number), "credential": "c"}]


@pytest.fixture
def acme() -> Provider:
    return Provider()


def usernames(provider: Provider, now: float | None = None) -> list[str]:
    return [server["username"] for server in provider.entries(TURN, now or time.time()).servers]


def until(condition: Callable[[], bool]) -> None:
    eventually(lambda: condition() or None, lambda: "it did not come to that", 10)


def test_entries_are_fetched_ahead_and_given_to_everybody(acme: Provider) -> None:
    acme.fetch(TURN)
    now = time.time()
    assert usernames(acme) == usernames(acme) == ["1"]
    assert acme.ice_servers(TURN, "alice", 0) == acme.ice_servers(TURN, "bob", 0)
    acme.poll(TURN, now + 110)
    assert acme.asked == 1
    acme.poll(TURN, now + 121)
    until(lambda: usernames(acme) == ["2"])


def test_nobody_waits_for_a_provider_that_hangs(acme: Provider) -> None:
    acme.fetch(TURN)
    acme.may_answer.clear()
    for _ in range(3):
        acme.poll(TURN, time.time() + 121)
        assert usernames(acme) == ["1"]
    until(lambda: acme.asked == 2)
    acme.may_answer.set()
    until(lambda: usernames(acme) == ["2"])
    assert acme.asked == 2


def test_provider_that_is_away_is_said_once_and_at_its_return(acme: Provider, caplog: pytest.LogCaptureFixture) -> None:
    acme.fetch(TURN)
    acme.fails = True
    later = time.time() + 121
    for number in range(3):
        acme.poll(TURN, later + 100 * number)
        until(lambda: not acme.state(TURN, time.time()).is_up)
        until(lambda: fetched(acme))
    assert usernames(acme) == ["1"]
    (said,) = caplog.messages
    assert "Acme gives no TURN credentials, as it answers 500" in said
    acme.fails = False
    acme.poll(TURN, later + 1000)
    until(lambda: acme.state(TURN, time.time()).is_up)
    assert caplog.messages[1:] == ["Acme gives TURN credentials again"]


def fetched(acme: Provider) -> bool:
    """Return whether no fetch is under way: a thread would still run."""
    return not any(thread.name == "turn-provider" for thread in threading.enumerate()) and acme.asked > 0


def test_what_has_expired_is_not_given(acme: Provider) -> None:
    acme.fetch(TURN)
    now = time.time()
    assert usernames(acme, now + 590) == ["1"]
    assert acme.entries(TURN, now + 601).servers == []
    assert acme.state(TURN, now + 601) == State(is_up=False, seconds_left=0)


def test_before_the_first_answer_there_is_nothing(acme: Provider) -> None:
    assert acme.entries(TURN, time.time()).servers == []
    assert acme.state(TURN, time.time()) == State(is_up=False, seconds_left=0)


def test_what_came_for_other_settings_is_not_given(acme: Provider) -> None:
    acme.fetch(TURN)
    others = TurnSettings(secrets=("another key",), urls=TURN.urls)
    assert acme.entries(others, time.time()).servers == []
    acme.poll(others, time.time())
    until(lambda: bool(acme.entries(others, time.time()).servers))


def test_bug_in_a_provider_is_logged_and_tried_again(acme: Provider, caplog: pytest.LogCaptureFixture) -> None:
    acme.may_answer = None  # type: ignore[assignment]  # as a bug would
    acme.poll(TURN, time.time())
    until(lambda: acme.asked == 1 and fetched(acme))
    assert "Asking the TURN provider failed" in caplog.text
