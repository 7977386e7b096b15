"""Messages of the protocol, and what is left of them after mutations that know their structure."""

from random import Random
from typing import Any

from tools.fuzz.mutations import MUTATIONS, Object, encode

SESSION_DESCRIPTIONS = ("v=0\r\n", "x", "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n" + "a=candidate\r\n" * 200)
CANDIDATES: tuple[Any, ...] = ("", None, "candidate:1 1 udp 1 192.0.2.1 9 typ host", {"candidate": "", "sdpMid": None})
KEYS = (
    "key ",
    "-----BEGIN PUBLIC KEY-----\r\nx\n",
    '{\n\t"kty": "OKP"\n}',
    "\x01\x7f\x85\ufeff",
    "\x01" * 10_800,
    "k" * 16_383,
)
REASONS = ("busy", "", None, "x" * 64)
ODD_BYTES = (
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\x00",
    b"\x7f",
    b"0",
    b"e",
    b"u",
    b"\n",
    b"\xef\xbb\xbf",
)
ODD_TEXTS = (b"", b" ", b"null", b"NaN", b"[]", b"{}", b"'", b"/**/{}", b"{" * 300, b'"', b"\xef\xbb\xbf{}", b"1e999")


class Messages:
    """Makes messages of one client, who may be in calls with another; `dice` decides everything."""

    def __init__(self, dice: Random, client_id: str, peer_id: str, call_ids: tuple[str, ...]) -> None:
        self._dice = dice
        self._own, self._peer, self._call_ids = client_id, peer_id, call_ids

    def valid(self) -> tuple[str, Object]:
        """Make a message as the protocol has it: its type and payload."""
        name, fields = self._dice.choices(_TYPES, _WEIGHTS)[0]
        return name, [(field, getattr(self, f"_{what}")()) for field, what in fields]

    def text(self) -> bytes:
        """Make what a text frame carries: a message, mostly with something wrong about it."""
        dice = self._dice
        if dice.random() < 0.02:
            return dice.choice(ODD_TEXTS)
        name, payload = self.valid()
        envelope: Object = [("type", name), ("payload", payload)]
        for _ in range(dice.choice((0, 0, 0, 1, 1, 2, 3))):
            dice.choice(MUTATIONS)(dice, dice.choice((envelope, payload)))
        text = encode(dice, envelope).encode(errors="surrogatepass")
        return self._damaged(text) if dice.random() < 0.15 else text

    def _damaged(self, text: bytes) -> bytes:
        dice = self._dice
        start = dice.randint(0, len(text))
        end = min(start + dice.choice((0, 0, 1, 1, 8)), len(text))
        put = dice.choice((b"", text[:start][-20:], dice.choice(ODD_BYTES), dice.choice(ODD_BYTES) * 300))
        return text[:start] + put + text[end:]

    def _own_id(self) -> str:
        return self._own

    def _peer_id(self) -> str:
        return self._peer

    def _call_id(self) -> str:
        return self._dice.choice(self._call_ids)

    def _description(self) -> str:
        return self._dice.choice(SESSION_DESCRIPTIONS)

    def _candidate(self) -> Any:
        return self._dice.choice(CANDIDATES)

    def _reason(self) -> str | None:
        return self._dice.choice(REASONS)

    def _key(self) -> str:
        return self._dice.choice(KEYS) + str(self._dice.randint(0, 9))


# What a type's fields are made by, and how often it comes: the directory's messages wait for a database.
_TYPES: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("REGISTER", (("clientId", "own_id"),)),
    ("HEARTBEAT", ()),
    ("CALL_INITIATE", (("targetId", "peer_id"), ("sdpOffer", "description"), ("callId", "call_id"))),
    ("CALL_ACCEPT", (("callId", "call_id"), ("sdpAnswer", "description"))),
    ("CALL_REJECT", (("callId", "call_id"), ("reason", "reason"))),
    ("CALL_END", (("callId", "call_id"), ("reason", "reason"))),
    ("ICE_CANDIDATE", (("callId", "call_id"), ("candidate", "candidate"))),
    ("PKD_REGISTER", (("clientId", "own_id"), ("publicKey", "key"))),
    ("PKD_LOOKUP", (("clientId", "peer_id"),)),
    ("TURN_CREDENTIALS", ()),
)
_WEIGHTS = (30, 30, 60, 40, 40, 40, 80, 1, 4, 10)
