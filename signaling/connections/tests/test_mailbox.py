from signaling.connections.mailbox import Inbox
from signaling.tests.stage import message


def test_inbox_keeps_events_in_the_order_in_which_they_came() -> None:
    inbox = Inbox()
    inbox.hold(message("1"))
    inbox.hold(message("2"))
    assert inbox.empty() == [message("1"), message("2")]


def test_inbox_puts_older_events_in_front_in_their_own_order() -> None:
    inbox = Inbox()
    inbox.hold(message("3"))
    inbox.hold_first(iter([message("1"), message("2")]))
    inbox.hold_first([])
    inbox.hold(message("4"))
    assert inbox.empty() == [message("1"), message("2"), message("3"), message("4")]


def test_inbox_gives_each_event_once() -> None:
    inbox = Inbox()
    assert inbox.empty() == []
    inbox.hold(message("1"))
    first = inbox.empty()
    inbox.hold(message("2"))
    assert (first, inbox.empty(), inbox.empty()) == ([message("1")], [message("2")], [])
