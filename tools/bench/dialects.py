"""The same call in the words of each server: what is sent, and what must arrive."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.bench.frames import CALL_ID, Template, frame

CANDIDATES = 8  # each way
MESSAGES_PER_CALL = 3 + 2 * CANDIDATES
SESSION_DESCRIPTION_BYTES = 2_500


def _session_description(role: str) -> str:
    """An SDP of about 2,500 bytes as a browser writes it for sound and a data channel."""
    lines = [
        "v=0",
        f"o=- 4611731400430051336 2 IN IP4 127.0.0.1 {role}",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS 6f2e1c0a-8d1b-4a9e-9d53-5b8a1d1f3c77",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=ice-ufrag:EEtu",
        "a=ice-pwd:0V9hN4bIr1Bq3hTz5vYc7sUe",
        "a=ice-options:trickle",
        "a=fingerprint:sha-256 " + ":".join(f"{(i * 37 + 11) % 256:02X}" for i in range(32)),
        "a=setup:actpass",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 minptime=10;useinbandfec=1",
    ]
    number = 0
    while sum(len(line) + 2 for line in lines) < SESSION_DESCRIPTION_BYTES - 40:
        number += 1
        lines.append(f"a=extmap:{number} urn:ietf:params:rtp-hdrext:sdes:stream-id-{number:04d}")
    return "\r\n".join(lines) + "\r\n"


OFFER, ANSWER = _session_description("offer"), _session_description("answer")


def _candidate(role: str, number: int) -> str:
    return (
        f"candidate:{role}{number} 1 udp 1677729535 203.0.113.{number} {46000 + number} typ srflx "
        f"raddr 10.0.0.17 rport {50000 + number} generation 0 ufrag EEtu"
    )


CALLER_CANDIDATES = tuple(_candidate("caller", number) for number in range(CANDIDATES))
CALLEE_CANDIDATES = tuple(_candidate("callee", number) for number in range(CANDIDATES))


@dataclass(frozen=True, slots=True)
class Script:
    """The frames that a pair of clients sends in every call."""

    offer: Template
    answer: Template
    caller_candidates: tuple[Template, ...]
    callee_candidates: tuple[Template, ...]
    end: Template


@dataclass(frozen=True, slots=True)
class Dialect:
    """One server's protocol. `offer`, `answer` and `end` are how its arriving messages are told apart."""

    path: Callable[[str], str]
    register: Callable[[str], bytes]  # empty: the handshake registers
    registered: bytes
    heartbeat: bytes
    heartbeat_reply: bytes  # empty: it sends none
    offer: bytes
    answer: bytes
    end: bytes
    script: Callable[[str, str], Script]

    def caller_receives(self) -> tuple[bytes, ...]:
        """The marks of what arrives at the caller in one call, in order."""
        return (self.answer, *(f":callee{n} ".encode() for n in range(CANDIDATES)))

    def callee_receives(self) -> tuple[bytes, ...]:
        """The marks of what arrives at the callee in one call, in order."""
        return (self.offer, *(f":caller{n} ".encode() for n in range(CANDIDATES)), self.end)


def _json_frame(message: dict[str, Any]) -> bytes:
    return frame(json.dumps(message, separators=(",", ":")).encode())


def _securecall_script(_caller: str, callee: str) -> Script:
    def message(kind: str, **payload: Any) -> Template:
        return Template.of({"type": kind, "payload": payload})

    def candidates(all_of_them: tuple[str, ...]) -> tuple[Template, ...]:
        return tuple(message("ICE_CANDIDATE", callId=CALL_ID, candidate=one) for one in all_of_them)

    return Script(
        message("CALL_INITIATE", targetId=callee, callId=CALL_ID, sdpOffer=OFFER),
        message("CALL_ACCEPT", callId=CALL_ID, sdpAnswer=ANSWER),
        candidates(CALLER_CANDIDATES),
        candidates(CALLEE_CANDIDATES),
        message("CALL_END", callId=CALL_ID),
    )


SECURECALL = Dialect(
    path=lambda _client: "/signal",
    register=lambda client: _json_frame({"type": "REGISTER", "payload": {"clientId": client}}),
    registered=b'"REGISTERED"',
    heartbeat=_json_frame({"type": "HEARTBEAT"}),
    heartbeat_reply=b'"HEARTBEAT_ACK"',
    offer=b'"INCOMING_CALL"',
    answer=b'"CALL_ACCEPTED"',
    end=b'"CALL_ENDED"',
    script=_securecall_script,
)


def _peerjs_script(caller: str, callee: str) -> Script:
    def message(kind: str, target: str, **payload: Any) -> Template:
        return Template.of({"type": kind, "payload": payload | {"connectionId": CALL_ID}, "dst": target})

    def candidates(target: str, all_of_them: tuple[str, ...]) -> tuple[Template, ...]:
        return tuple(message("CANDIDATE", target, candidate=one, type="media") for one in all_of_them)

    return Script(
        message("OFFER", callee, sdp={"type": "offer", "sdp": OFFER}, type="media"),
        message("ANSWER", caller, sdp={"type": "answer", "sdp": ANSWER}, type="media"),
        candidates(callee, CALLER_CANDIDATES),
        candidates(caller, CALLEE_CANDIDATES),
        message("LEAVE", callee),
    )


PEERJS = Dialect(
    path=lambda client: f"/peerjs?key=peerjs&id={client}&token=t-{client}&version=1.5.4",
    register=lambda _client: b"",
    registered=b'"OPEN"',
    heartbeat=_json_frame({"type": "HEARTBEAT"}),
    heartbeat_reply=b"",
    offer=b'"OFFER"',
    answer=b'"ANSWER"',
    end=b'"LEAVE"',
    script=_peerjs_script,
)


def _relay_script(caller: str, callee: str) -> Script:
    def message(kind: str, target: str, **payload: Any) -> Template:
        return Template.of({"type": kind, "to": target, "callId": CALL_ID, **payload})

    def candidates(target: str, all_of_them: tuple[str, ...]) -> tuple[Template, ...]:
        return tuple(message("candidate", target, candidate=one) for one in all_of_them)

    return Script(
        message("offer", callee, sdp=OFFER),
        message("answer", caller, sdp=ANSWER),
        candidates(callee, CALLER_CANDIDATES),
        candidates(caller, CALLEE_CANDIDATES),
        message("end", callee),
    )


BARE_RELAY = Dialect(
    path=lambda _client: "/",
    register=lambda client: _json_frame({"type": "register", "id": client}),
    registered=b'"registered"',
    heartbeat=_json_frame({"type": "heartbeat"}),
    heartbeat_reply=b'"heartbeat_ack"',
    offer=b'"offer"',
    answer=b'"answer"',
    end=b'"end"',
    script=_relay_script,
)
