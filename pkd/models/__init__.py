"""The tables of the directory."""

from pkd.models.append_only import HistoryIsAppendOnlyError
from pkd.models.keys import MAX_REASON_CHARACTERS, NEWEST_CHANGES_SHOWN, KeyChange, Ownership, PublicKey, of_keys
from pkd.models.ownership import Identity, Release, Statement

__all__ = [
    "MAX_REASON_CHARACTERS",
    "NEWEST_CHANGES_SHOWN",
    "HistoryIsAppendOnlyError",
    "Identity",
    "KeyChange",
    "Ownership",
    "PublicKey",
    "Release",
    "Statement",
    "of_keys",
]
