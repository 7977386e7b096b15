"""What one connection keeps until its client proves to have read it."""

import gc

from signaling.connections.unproved import Run, Unproved
from signaling.delivery.events import Event, changing, size_of
from signaling.protocol.server_messages import CallEnded
from signaling.tests.stage import change, message


def unproved(*events: Event) -> Unproved:
    queue = Unproved()
    for event in events:
        queue.add(event)
    return queue


def proves(queue: Unproved, payload: bytes) -> list[Event] | None:
    proved = queue.prove(payload)
    return None if proved is None else [event for _, event in proved]


def test_pong_proves_what_was_written_before_its_ping() -> None:
    queue = unproved(message("1"), message("22"))
    queue.ask(b"ping", 1)
    queue.add(message("333"))
    assert (queue.asked_at, proves(queue, b"ping"), queue.asked_at) == (1, [message("1"), message("22")], None)
    assert (queue.size, queue.events) == (3, [message("333")])


def test_pong_with_another_payload_proves_nothing() -> None:
    queue = unproved(message("1"))
    assert proves(queue, b"") is None
    queue.ask(b"ping", 1)
    assert proves(queue, b"") is None
    assert proves(queue, b"pong") is None
    assert (queue.asked_at, queue.events) == (1, [message("1")])


def test_pong_proves_once() -> None:
    queue = unproved(message("1"))
    queue.ask(b"ping", 1)
    assert proves(queue, b"ping")
    queue.add(message("2"))
    assert proves(queue, b"ping") is None
    assert queue.events == [message("2")]


def test_oldest_candidate_is_dropped_and_changes_never() -> None:
    queue = unproved(change("1"), message("22"), change("333"), message("4444"))
    assert queue.drop_candidate()
    assert queue.size == 8
    assert queue.drop_candidate()
    assert not queue.drop_candidate()
    queue.add(message("55555"))
    assert queue.drop_candidate()
    assert (queue.size, queue.events) == (4, [change("1"), change("333")])


def test_dropped_candidate_is_proved_no_more() -> None:
    queue = unproved(change("1"), message("2"), change("3"))
    queue.ask(b"ping", 1)
    queue.add(change("4"))
    queue.add(message("5"))
    for _ in range(2):
        queue.drop_candidate()
    queue.add(message("6"))
    assert proves(queue, b"ping")
    assert queue.drop_candidate()
    assert queue.events == [change("4")]


def runs() -> int:
    # What is lazy, of any other test, is left alone: `isinstance` would ask it.
    return sum(type(one) is Run for one in gc.get_objects())


def test_nothing_stays_of_calls_whose_candidates_were_dropped() -> None:
    before, queue = runs(), Unproved()
    for number in range(100):
        queue.add(about(f"call {number % 2}", message(str(number))))
        if number == 50:
            queue.ask(b"ping", 1)
        if number >= 10:
            assert queue.drop_candidate()
    assert (runs() - before, queue.count) == (10, 10)
    assert queue.events == [about(f"call {number % 2}", message(str(number))) for number in range(90, 100)]
    while queue.drop_candidate():
        pass
    queue.add(about("call 1", message("more")))
    assert (queue.events, queue.count, queue.size) == ([about("call 1", message("more"))], 1, 4)


def about(call_id: str, event: Event) -> Event:
    return event | {"call": call_id}


def end_of(call_id: str) -> Event:
    return changing(CallEnded(call_id), call_id, None, "")


def test_end_of_a_call_makes_what_is_about_it_pointless_but_for_its_end() -> None:
    others = [about("other", message("1")), change("2")]
    end = end_of("ended")
    queue = unproved(others[0], about("ended", message("44")), end)
    queue.ask(b"ping", 1)
    queue.add(about("ended", message("55")))
    queue.add(others[1])
    queue.add(about("ended", message("66")))
    queue.forget("ended")
    queue.add(about("ended", message("7")))
    assert queue.events == [others[0], end, others[1], about("ended", message("7"))]
    assert (queue.count, queue.size) == (4, 3 + size_of(end))
    assert proves(queue, b"ping") == [others[0], end]
    queue.forget("ended")
    assert (queue.events, queue.count, queue.size) == ([others[1]], 1, 1)


def test_what_comes_after_the_last_of_a_call_was_forgotten_is_kept() -> None:
    queue = unproved(about("ended", message("1")))
    queue.forget("ended")
    assert not queue
    queue.add(about("ended", message("2")))
    assert (queue.events, queue.size) == ([about("ended", message("2"))], 1)


def test_events_stay_as_they_are_and_in_their_order() -> None:
    events = [
        end_of("first"),
        end_of("second"),
        about("one", message("1")),
        about("two", message("2")),
        about("one", message("3")),
        # Of another process, of another version, and in place of one that was lost.
        about("one", message("4")) | {"sender": "channel"},
        message("5"),
        message("6") | {"sender": "channel"},
        change("7"),
        end_of("third") | {"sender": "channel"},
        end_of("fourth"),
    ]
    queue = unproved(*events)
    assert queue.events == events
    assert (queue.count, queue.size) == (len(events), sum(map(size_of, events)))
