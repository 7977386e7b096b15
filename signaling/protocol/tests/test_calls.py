import pytest

from signaling.protocol.calls import CALL_ID, TRANSITIONS, Action, EndReason, Role, State, new_call_id

BOTH = set(Role)


def may(action: Action, state: State) -> set[Role]:
    return {role for role in Role if (state, role) in TRANSITIONS[action]}


def test_transitions_let_only_the_callee_of_a_ringing_call_answer() -> None:
    assert TRANSITIONS[Action.ANSWER] == {(State.RINGING, Role.CALLEE): State.ACTIVE}


def test_transitions_let_only_the_callee_of_a_ringing_call_reject() -> None:
    assert TRANSITIONS[Action.REJECT] == {(State.RINGING, Role.CALLEE): None}


@pytest.mark.parametrize("state", list(State))
def test_transitions_let_both_end_a_call_at_any_time(state: State) -> None:
    assert may(Action.CLOSE, state) == BOTH
    assert all(TRANSITIONS[Action.CLOSE][state, role] is None for role in Role)


def test_transitions_name_every_action() -> None:
    assert set(TRANSITIONS) == set(Action)


def test_transitions_never_lead_back_to_ringing() -> None:
    assert State.RINGING not in {following for rows in TRANSITIONS.values() for following in rows.values()}


def test_new_call_id_is_unguessable_and_one_that_a_client_may_choose() -> None:
    made = {new_call_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(CALL_ID.fullmatch(call_id) for call_id in made)
    # 128 bits in base64, six a letter.
    assert {len(call_id) for call_id in made} == {22}


@pytest.mark.parametrize("call_id", ["x" * 16, "x" * 64, "abc-DEF_0123456789"])
def test_call_id_takes_its_alphabet(call_id: str) -> None:
    assert CALL_ID.fullmatch(call_id)


@pytest.mark.parametrize("call_id", ["", "x" * 15, "x" * 65, "x" * 16 + "\n", "x" * 15 + " ", "\u00e9" * 16])
def test_call_id_takes_nothing_else(call_id: str) -> None:
    assert not CALL_ID.fullmatch(call_id)


def test_end_reasons_are_those_of_the_protocol() -> None:
    assert {reason.value for reason in EndReason} == {"timeout", "peer_disconnected", "operator", "replaced"}
