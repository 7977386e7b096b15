import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from signaling.protocol.client_messages import (
    CallAccept,
    CallInitiate,
    IceCandidate,
)
from signaling.protocol.fields import or_unset
from signaling.protocol.server_messages import (
    CallAccepted,
    CallEnded,
    IncomingCall,
    PeerIceCandidate,
)
from signaling.protocol.tests.frames import CALL, decode


def test_optional_field_that_is_null_was_not_given() -> None:
    assert or_unset(None) is UNSET
    assert or_unset(UNSET) is UNSET
    assert or_unset("") == ""


# What JSON can say; JSON has no number that is none.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
OPAQUE_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
    max_leaves=12,
)
WRITERS = st.builds(
    lambda *, ascii_only, indent: lambda value: json.dumps(value, ensure_ascii=ascii_only, indent=indent),
    ascii_only=st.booleans(),
    indent=st.none() | st.integers(0, 3),
)


@given(TEXTS.filter(bool), WRITERS)
def test_session_descriptions_are_relayed_byte_by_byte(description: str, write: Any) -> None:
    written = write(description)
    offer = decode(f'{{"type":"CALL_INITIATE","payload":{{"targetId":"bob","sdpOffer": {written} }}}}')
    assert isinstance(offer, CallInitiate)
    incoming = IncomingCall(CALL, "alice", offer.sdp_offer, []).encode()
    assert f'"sdpOffer":{written},' in incoming
    assert json.loads(incoming)["payload"]["sdpOffer"] == description
    answer = decode(f'{{"payload":{{"sdpAnswer":\n{written}\n,"callId":"{CALL}"}},"type":"CALL_ACCEPT"}}')
    assert isinstance(answer, CallAccept)
    assert f'"sdpAnswer":{written},' in CallAccepted(CALL, answer.sdp_answer, []).encode()


@given(st.none() | TEXTS | st.dictionaries(TEXTS, OPAQUE_JSON, max_size=4), WRITERS)
def test_candidates_are_relayed_byte_by_byte(candidate: Any, write: Any) -> None:
    written = write(candidate)
    message = decode(f'{{"type":"ICE_CANDIDATE","payload":{{"callId":"{CALL}","candidate":{written}}}}}')
    assert isinstance(message, IceCandidate)
    relayed = PeerIceCandidate(CALL, message.candidate).encode()
    assert relayed == f'{{"type":"ICE_CANDIDATE","payload":{{"callId":"{CALL}","candidate":{written}}}}}'


@pytest.mark.parametrize(
    "written",
    [
        '{"a":1e999,"b":-0.0,"c":1E+2,"d":123456789012345678901234567890}',
        '{"a":1,"a":2}',
        r'"\/\u0041\ud83d\ude00"',
        '{ "a" :\t[ ] }',
        '"v=0\\r\\n  \\r\\n"',
    ],
)
def test_candidates_keep_the_spelling_that_came(written: str) -> None:
    message = decode(f'{{"type":"ICE_CANDIDATE","payload":{{"callId":"{CALL}","candidate":{written}}}}}')
    assert isinstance(message, IceCandidate)
    assert f'"candidate":{written}}}' in PeerIceCandidate(CALL, message.candidate).encode()


@given(TEXTS, WRITERS)
def test_whatever_is_relayed_as_it_came_grows_no_longer(text: str, write: Any) -> None:
    said = f'{{"type":"ICE_CANDIDATE","payload":{{"callId":"{CALL}","candidate":{write(text)}}}}}'
    message = decode(said)
    assert isinstance(message, IceCandidate)
    assert len(PeerIceCandidate(CALL, message.candidate).encode()) <= len(said)
    for letter in text:
        # Read and written anew, at most six bytes a character.
        assert len(CallEnded("x" * 64, letter * 64).encode()) < 1024
