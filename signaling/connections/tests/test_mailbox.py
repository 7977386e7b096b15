from signaling.connections.mailbox import Inbox, Unproved
from signaling.delivery.events import GONE, Event, size_of
from signaling.tests.stage import change, message


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


def unproved(*events: Event) -> Unproved:
    queue = Unproved()
    for event in events:
        add(queue, event)
    return queue


def add(queue: Unproved, event: Event) -> None:
    queue.events.append(event)
    queue.size += size_of(event)


def test_pong_proves_what_was_written_before_its_ping() -> None:
    queue = unproved(message("1"), message("22"))
    queue.ask(b"ping", 1)
    add(queue, message("333"))
    assert (queue.asked_at, queue.prove(b"ping"), queue.asked_at) == (1, [message("1"), message("22")], None)
    assert (queue.size, queue.events) == (3, [message("333")])


def test_pong_with_another_payload_proves_nothing() -> None:
    queue = unproved(message("1"))
    assert queue.prove(b"") is None
    queue.ask(b"ping", 1)
    assert queue.prove(b"") is None
    assert queue.prove(b"pong") is None
    assert (queue.asked_at, queue.events) == (1, [message("1")])


def test_pong_proves_once() -> None:
    queue = unproved(message("1"))
    queue.ask(b"ping", 1)
    assert queue.prove(b"ping")
    add(queue, message("2"))
    assert queue.prove(b"ping") is None
    assert queue.events == [message("2")]


def test_oldest_candidate_is_dropped_and_changes_never() -> None:
    queue = unproved(change("1"), message("22"), change("333"), message("4444"))
    assert queue.drop_candidate()
    assert queue.size == 8
    assert queue.drop_candidate()
    assert not queue.drop_candidate()
    add(queue, message("55555"))
    assert queue.drop_candidate()
    assert (queue.size, queue.events) == (4, [change("1"), change("333")])


def test_dropped_candidate_is_proved_no_more() -> None:
    queue = unproved(change("1"), message("2"), change("3"))
    queue.ask(b"ping", 1)
    add(queue, change("4"))
    add(queue, message("5"))
    for _ in range(2):
        queue.drop_candidate()
    add(queue, message("6"))
    assert queue.prove(b"ping")
    assert queue.drop_candidate()
    assert queue.events == [change("4")]


def about(call_id: str, event: Event) -> Event:
    return event | {"call": call_id}


def test_end_of_a_call_makes_what_is_about_it_pointless_but_for_its_end() -> None:
    others = [about("other", message("1")), about("other", change("2"))]
    end = about("ended", change("3") | {"changes": ["ended", GONE, ""]})
    queue = unproved(others[0], about("ended", message("44")), end)
    queue.ask(b"ping", 1)
    add(queue, about("ended", message("55")))
    add(queue, others[1])
    queue.forget("ended")
    assert (queue.events, queue.size) == ([others[0], end, others[1]], 3)
    assert queue.prove(b"ping") == [others[0], end]
    assert (queue.events, queue.size) == ([others[1]], 1)
