import pytest

from signaling.connections.states import LEAVING_STATES, TRANSITIONS, ConnectionEvent, ConnectionState

S, E = ConnectionState, ConnectionEvent

# Every event that may happen in a state; whatever is not here is a bug.
LEGAL = {
    S.UNREGISTERED: {E.REGISTER, E.LEAVE},
    S.JOINING: {E.JOINED, E.NOT_JOINED, E.LEAVE},
    S.CLOSED_WHILE_JOINING: {E.JOINED, E.NOT_JOINED},
    S.REGISTERED: {E.REJOIN, E.REJOINED, E.WRITE_FAILED, E.LEAVE},
    S.REJOINING: {E.REJOIN, E.REJOINED, E.LEAVE},
    S.UNWRITABLE: {E.REJOIN, E.REJOINED, E.LEAVE},
    S.LEAVING: {E.REJOIN, E.REJOINED, E.WRITE_FAILED, E.RELEASED},
    S.LEFT: {E.REJOINED},
}
PAIRS = [(state, event) for state in S for event in E]


@pytest.mark.parametrize(("state", "event"), [pair for pair in PAIRS if pair[1] not in LEGAL[pair[0]]])
def test_transitions_raise_for_an_illegal_event(state: ConnectionState, event: ConnectionEvent) -> None:
    with pytest.raises(KeyError):
        TRANSITIONS[state][event]


@pytest.mark.parametrize(("state", "event"), [pair for pair in PAIRS if pair[1] in LEGAL[pair[0]]])
def test_transitions_lead_from_leaving_to_leaving_alone(state: ConnectionState, event: ConnectionEvent) -> None:
    following = TRANSITIONS[state][event]
    assert (following in LEAVING_STATES) == (event in {E.LEAVE, E.RELEASED} or state in LEAVING_STATES)


def test_transitions_reach_every_state_and_leave_only_from_states_that_may() -> None:
    reached, found = set(), {S.UNREGISTERED}
    while found:
        reached |= found
        found = {following for state in found for following in TRANSITIONS[state].values()} - reached
    assert reached == set(S)
    assert {state for state in S if E.LEAVE in TRANSITIONS[state]} == set(S) - set(LEAVING_STATES)


def test_a_connection_that_left_stays_so() -> None:
    assert set(TRANSITIONS[S.LEFT].values()) == {S.LEFT}
