"""Messages of the protocol, and what is left of them after mutations that know their structure."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from signaling.protocol.messages import MAX_FRAME_BYTES

Object = list[tuple[str, Any]]

MOST_NESTED = 3000
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
# In place of anything: each has met a parser that it broke.
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**53 + 1, 10**400, -0.0, 5e-324, float("nan"), float("inf")),
    *("", "x", "\x00", "\u2028", "\U0001f600", "\ufeff", "x" * 65, "x" * 5000, "__proto__", "bob\n", "\ud800"),
    *([], {}, [[]], {"": {}}, [None] * 100, ["REGISTER"], {"toString": 1}),
)
ODD_KEYS = ("", "Type", "TYPE", "type ", "__proto__", "callid", "call_id", "\x00", "\U0001f600", "x" * 300)
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
            dice.choice(_MUTATIONS)(dice, dice.choice((envelope, payload)))
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


def encode(dice: Random, value: Any) -> str:
    """Encode a value, objects as lists of pairs, the same key twice if need be; some of it in an odd but valid form."""
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        space = dice.choice(("", "", "", " ", "\r\n\t"))
        members = (f"{_string(dice, key)}{space}:{encode(dice, part)}" for key, part in value)
        return f"{{{space}{','.join(members)}{space}}}"
    if isinstance(value, str):
        return _string(dice, value)
    if isinstance(value, Nested):
        return value.text
    return "{}" if value == [] else json.dumps(value, default=str)


class Nested:
    """Brackets in brackets; Python's own encoder does not go as deep."""

    def __init__(self, depth: int, opening: str, closing: str) -> None:
        self.text = opening * depth + "1" + closing * depth


def _string(dice: Random, text: str) -> str:
    if dice.random() < 0.05:
        return '"' + "".join(f"\\u{ord(character) & 0xFFFF:04x}" for character in text[:50]) + '"'
    return json.dumps(text, ensure_ascii=dice.random() < 0.5)


def _drop(dice: Random, fields: Object) -> None:
    if fields:
        del fields[dice.randrange(len(fields))]


def _repeat(dice: Random, fields: Object) -> None:
    if fields:
        fields.insert(dice.randint(0, len(fields)), dice.choice(fields))


def _rename(dice: Random, fields: Object) -> None:
    if fields:
        index = dice.randrange(len(fields))
        key = fields[index][0]
        fields[index] = (dice.choice((key.upper(), key + " ", "\ufeff" + key, dice.choice(ODD_KEYS))), fields[index][1])


def _replace(dice: Random, fields: Object) -> None:
    if fields:
        index = dice.randrange(len(fields))
        fields[index] = (fields[index][0], dice.choice(ODD_VALUES))


def _add(dice: Random, fields: Object) -> None:
    fields.insert(dice.randint(0, len(fields)), (dice.choice(ODD_KEYS), dice.choice(ODD_VALUES)))


def _wrap(dice: Random, fields: Object) -> None:
    if fields:
        index = dice.randrange(len(fields))
        key, value = fields[index]
        fields[index] = (key, dice.choice(([value], [("value", value)], str(value))))


def _nest(dice: Random, fields: Object) -> None:
    brackets = dice.choice((("[", "]"), ('{"a":', "}"), ("[", ""), ("", "}")))
    depth = dice.choice((10, 254, 257, MOST_NESTED))
    fields.append(("nested", Nested(depth, *brackets)))


def _lengthen(dice: Random, fields: Object) -> None:
    fields.append(("filling", dice.choice(("x", "\u20ac", "[", '"')) * dice.choice((100, 60_000, 66_000))))


def _fill(dice: Random, fields: Object) -> None:
    """Make a frame about as long as one may be; what is relayed of it may become longer."""
    if fields:
        index = dice.randrange(len(fields))
        fields[index] = (fields[index][0], "x" * (MAX_FRAME_BYTES - dice.randint(0, 250)))


def _swap(dice: Random, fields: Object) -> None:
    dice.shuffle(fields)


# The long ones are rare: they would be most of the bytes.
_MUTATIONS: tuple[Callable[[Random, Object], None], ...] = (
    *(_drop, _repeat, _rename, _replace, _add, _wrap, _swap) * 6,
    _nest,
    _lengthen,
    _fill,
)
