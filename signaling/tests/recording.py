"""Frames of clients that know the reference alone, and what the server answers: played, and written down.

`reference.json` was written by the version before client IDs could belong to a key; a test plays the same again.
"""

import json
from pathlib import Path
from typing import Any

from signaling.tests.people import ANSWER, OFFER, Person, connect

RECORDED = Path(__file__).parent / "reference.json"
CALL = "the-call-of-this-recording"
OTHER_CALL = "another-call-of-this-recording"
Step = tuple[str, str]


def message(message_type: str, **payload: Any) -> str:
    return json.dumps({"type": message_type, "payload": payload})


VALUES: tuple[Any, ...] = (None, 7, True, [], {}, "", "x" * 65, "bob\n")
FIELDS = {
    "REGISTER": ("clientId",),
    "CALL_INITIATE": ("targetId", "sdpOffer", "callId"),
    "CALL_ACCEPT": ("callId", "sdpAnswer"),
    "CALL_REJECT": ("callId", "reason"),
    "CALL_END": ("callId", "reason"),
    "ICE_CANDIDATE": ("callId", "candidate"),
    "PKD_REGISTER": ("clientId", "publicKey"),
    "PKD_LOOKUP": ("clientId",),
}
GOOD: dict[str, dict[str, Any]] = {
    "REGISTER": {"clientId": "alice"},
    "CALL_INITIATE": {"targetId": "nobody", "sdpOffer": OFFER, "callId": CALL},
    "CALL_ACCEPT": {"callId": OTHER_CALL, "sdpAnswer": ANSWER},
    "CALL_REJECT": {"callId": OTHER_CALL},
    "CALL_END": {"callId": OTHER_CALL},
    "ICE_CANDIDATE": {"callId": OTHER_CALL, "candidate": "candidate:1"},
    "PKD_REGISTER": {"clientId": "alice", "publicKey": "alice's key"},
    "PKD_LOOKUP": {"clientId": "nobody"},
}
BROKEN = ["", " ", "hello", "[]", "1", "null", "{}", '{"type": 7}', '{"type": "NOPE"}', '{"type": "__proto__"}', "{"]
BROKEN += ['{"type": "REGISTER"}', '{"type": "PKD_LOOKUP", "payload": null}', '{"type": "ERROR"}', "[" * 300]


def abuse(message_type: str) -> list[str]:
    """Make a message with each of its fields left out, and of every wrong kind."""
    good = GOOD[message_type]
    frames = []
    for field in FIELDS[message_type]:
        frames.append(message(message_type, **{name: value for name, value in good.items() if name != field}))
        frames += [message(message_type, **good | {field: value}) for value in VALUES]
    return [*frames, message(message_type, **good, extra={"a": [1]})]


def script() -> list[Step]:
    """Return what Alice and Bob send, in order."""
    early = [frame for name in FIELDS if name != "REGISTER" for frame in (message(name, **GOOD[name]),)]
    steps = [("alice", frame) for frame in [*BROKEN, *early, *abuse("REGISTER")[:14]]]
    steps += [("alice", message("REGISTER", clientId="alice")), ("bob", message("REGISTER", clientId="bob"))]
    steps += [("alice", frame) for name in FIELDS for frame in abuse(name)]
    steps += [("alice", message("REGISTER", clientId="carol")), ("alice", message("PKD_LOOKUP", clientId="alice"))]
    steps += [
        ("bob", message("PKD_REGISTER", clientId="alice", publicKey="bob's key")),
        ("bob", message("PKD_REGISTER", clientId="bob", publicKey="bob's key")),
        ("alice", message("PKD_LOOKUP", clientId="bob")),
        ("alice", message("CALL_INITIATE", targetId="alice", sdpOffer=OFFER)),
        ("alice", message("CALL_INITIATE", targetId="bob", sdpOffer=OFFER, callId=CALL)),
        ("alice", message("ICE_CANDIDATE", callId=CALL, candidate={"candidate": "candidate:1", "sdpMid": "0"})),
        ("bob", message("CALL_ACCEPT", callId=CALL, sdpAnswer=ANSWER)),
        ("bob", message("ICE_CANDIDATE", callId=CALL, candidate=None)),
        ("alice", message("CALL_END", callId=CALL, reason="bye")),
        ("alice", message("CALL_INITIATE", targetId="bob", sdpOffer=OFFER, callId=OTHER_CALL)),
        ("bob", message("CALL_REJECT", callId=OTHER_CALL, reason="busy")),
    ]
    return steps


async def heard(people: dict[str, Person], actor: str) -> list[str]:
    """Return what came to each since the last time, up to the answer to a heartbeat.

    The actor is asked first: when he is answered, what he sent has reached the others.
    """
    came = []
    for name, person in sorted(people.items(), key=lambda one: one[0] != actor):
        await person.send("HEARTBEAT")
        while True:
            event = await person.socket.receive_output(3)
            text = event.get("text", json.dumps({"close": event.get("code")}))
            if text == '{"type":"HEARTBEAT_ACK","payload":{}}':
                break
            came.append(f"{name} < {text}")
    return came


async def play() -> list[str]:
    """Play the script; return every frame that was sent or came."""
    people = {"alice": await connect(), "bob": await connect()}
    played = []
    for name, frame in script():
        await people[name].send_raw(frame)
        played += [f"{name} > {frame}", *await heard(people, name)]
    # A newer connection supersedes, and gets what stands.
    people["newer"] = await connect()
    await people["newer"].send_raw(message("REGISTER", clientId="alice"))
    played.append("newer > REGISTER")
    event = await people.pop("alice").socket.receive_output(3)
    played.append(f"alice < close {event['code']} {event.get('reason')}")
    played += await heard(people, "newer")
    for person in people.values():
        await person.leaves()
    return played
