"""Mutations of a message's fields, and an encoder that writes the result as JSON."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from signaling.protocol.fields import MAX_FRAME_BYTES

Object = list[tuple[str, Any]]

MOST_NESTED = 3000
# In place of anything: each has met a parser that it broke.
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**53 + 1, 10**400, -0.0, 5e-324, float("nan"), float("inf")),
    *("", "x", "\x00", "\u2028", "\U0001f600", "\ufeff", "x" * 65, "x" * 5000, "__proto__", "bob\n", "\ud800"),
    *([], {}, [[]], {"": {}}, [None] * 100, ["REGISTER"], {"toString": 1}),
)
ODD_KEYS = ("", "Type", "TYPE", "type ", "__proto__", "callid", "call_id", "\x00", "\U0001f600", "x" * 300)


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
MUTATIONS: tuple[Callable[[Random, Object], None], ...] = (
    *(_drop, _repeat, _rename, _replace, _add, _wrap, _swap) * 6,
    _nest,
    _lengthen,
    _fill,
)
