"""What an auditor keeps between two runs: the last checkpoint, and what all entries up to it amount to.

A state file is a line with the SHA-256 of the rest, a line of JSON, and the leaves of the prefix tree. It is written
beside the old one and put in its place, so a run that ends at any moment leaves one of the two.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from auditor.checkpoint import Checkpoint
from auditor.errors import StateError
from auditor.merkle import MerkleTree
from auditor.prefix_tree import PrefixTree
from auditor.replay import Replay

HEAD = b"securecall-auditor-state-1 "


class State(NamedTuple):
    """The last checkpoint that was in order, None before the first run, and the entries up to it."""

    checkpoint: Checkpoint | None
    replay: Replay


def load(path: Path, vkey: str) -> State:
    """Read a state file; without one the audit begins with the first entry."""
    try:
        head, _, rest = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return State(None, Replay())
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}.") from error
    if head != HEAD + _digest(rest):
        raise StateError(f"{path} is damaged, or no state of this auditor. Restore it, or audit anew without it.")
    line, _, leaves = rest.partition(b"\n")
    kept = json.loads(line)
    if kept["vkey"] != vkey:
        raise StateError(f"{path} is the state of another log: {kept['vkey']}")
    checkpoint = Checkpoint(kept["origin"], kept["size"], bytes.fromhex(kept["root"]), kept["signedAt"], kept["note"])
    merkle = MerkleTree(kept["size"], map(bytes.fromhex, kept["peaks"]))
    return State(checkpoint, Replay(kept["acceptedAt"], PrefixTree.load(leaves), merkle))


def save(path: Path, vkey: str, checkpoint: Checkpoint, replay: Replay) -> None:
    """Keep a checkpoint and what the entries up to it amount to."""
    kept = {
        "vkey": vkey,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "signedAt": checkpoint.signed_at,
        "note": checkpoint.note,
        "acceptedAt": replay.accepted_at,
        "peaks": [peak.hex() for peak in replay.merkle.peaks],
    }
    rest = json.dumps(kept).encode() + b"\n" + replay.prefix_tree.dump()
    write(path, HEAD + _digest(rest) + b"\n" + rest)


def write(path: Path, data: bytes) -> None:
    """Put a file in the place of the one before, whole or not at all."""
    beside = path.with_name(f"{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}.") from error


def _digest(rest: bytes) -> bytes:
    return hashlib.sha256(rest).hexdigest().encode()
