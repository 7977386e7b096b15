"""The rules of client IDs and public keys (PROTOCOL.md, "Frames" and "Public key directory").

Pure: no Django, clock or I/O.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

# `\Z`, because `$` also matches before a final newline: "bob\n" is no client ID.
ClientId = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}\Z")]

DEFAULT_MAX_BYTES = 16_384
# Of a frame (PROTOCOL.md, "Frames"): also of the answer that a key comes in.
MAX_FRAME_BYTES = 65_536

# As far as a JSON schema can say it; `problem` checks the rules, with a sentence for each.
PublicKey = Annotated[
    str, Meta(extra_json_schema={"minLength": 1, "maxLength": DEFAULT_MAX_BYTES, "pattern": r"^[^\x00]+\Z"})
]

# In this order: whether a rule is broken, and what to say then. Postgres keeps no U+0000.
RULES: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda key: key is UNSET, "publicKey is missing; give the key as a string."),
    (lambda key: not isinstance(key, str), "publicKey is not a string; give the key as one."),
    (lambda key: not key, "publicKey is empty; give a key of at least one character."),
    (lambda key: "\0" in key, "publicKey holds the character U+0000; give a key without it."),
    (
        lambda key: re.search("[\ud800-\udfff]", key) is not None,
        "publicKey holds half of a surrogate pair, which is no character; give a key without it.",
    ),
)


class BadKeyError(ValueError):
    """A public key breaks a rule; the text is the sentence that names it."""


def problem(public_key: Any, max_bytes: int = 0) -> str:
    """Return a sentence that names the rule that `public_key` breaks; "" for a key. A limit of 0 is none.

    `UNSET` stands for a missing key. Beyond the rules the text is opaque: line ends and blanks belong to it.
    """
    for is_broken_by, sentence in RULES:
        if is_broken_by(public_key):
            return sentence
    size = len(public_key.encode())
    if 0 < max_bytes < size:
        return f"publicKey is {size:,} bytes long in UTF-8; give a key of at most {max_bytes:,} bytes."
    return ""


def fits_an_answer(client_id: str, public_key: str) -> bool:
    """Return whether `PKD_RESULT` with this key is no longer than a frame may be."""
    answer = {"type": "PKD_RESULT", "payload": {"clientId": client_id, "publicKey": public_key}}
    return len(msgspec.json.encode(answer)) <= MAX_FRAME_BYTES
