"""How an answer is refused, and how its binary fields are read."""

import base64
import binascii
from typing import Any

from securecall_client.errors import SecureCallError


class RefusedError(SecureCallError):
    """An answer that the directory cannot have given honestly, or that was changed on its way.

    `evidence` is the answer and what it was held against: show it, and keep it.
    """

    evidence: Any = None


class OtherLogError(RefusedError):
    """The answer is of another log than the kept one: ask, "the public record was replaced"."""


def require(is_kept: bool, sentence: str) -> None:  # noqa: FBT001  # it reads as a sentence
    """Refuse an answer for which a rule is not kept."""
    if not is_kept:
        raise RefusedError(sentence)


def from_base64url(text: str, *lengths: int) -> bytes:
    """Decode base64url without padding; refuses another spelling of the same bytes, and a length that is not given."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise RefusedError("A binary field is no base64url.") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise RefusedError("A binary field is not written as base64url is.")
    require(not lengths or len(data) in lengths, "A binary field has another length.")
    return data


def hashes(text: str) -> list[bytes]:
    """Split hashes of 32 bytes that stand one behind the other."""
    data = from_base64url(text)
    require(len(data) % 32 == 0, "A list of hashes has another length.")
    return [data[start : start + 32] for start in range(0, len(data), 32)]
