"""What verifiers are given: proofs of a made log that are right, and the same with a byte flipped."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.made_log import MadeLog, merkle_root, sha256
from tests.support.proofs import consistency_proof, inclusion_proof

NOW = 1_790_000_010
HASH_BYTES = 32
LISTS = ("inclusion", "consistency", "earlierRoot")
Case = dict[str, Any]


def cases(log: MadeLog, size: int) -> list[Case]:
    """Return right proofs of a log's first entries: some entries, each with some earlier size."""
    hashes = [sha256(b"\x00", entry) for entry in log.entries[:size]]
    numbers = sorted({0, size // 3, size // 2, size - 1})
    earlier = [1, (size + 1) // 2, max(1, size - 1), size]
    checkpoint = log.checkpoint(NOW, size)
    return [
        {
            "checkpoint": checkpoint,
            "entry": encoded(log.entries[number]),
            "number": number,
            "inclusion": [encoded(one) for one in inclusion_proof(hashes, number)],
            "earlier": before,
            "earlierRoot": [encoded(merkle_root(hashes[:before]))],
            "consistency": [encoded(one) for one in consistency_proof(hashes, before)],
        }
        for number, before in zip(numbers, earlier, strict=False)
    ]


def readings(log: MadeLog, size: int, url: str) -> list[Case]:
    """Return what a verifier is to read by itself from a log that is served at a URL: entries, and earlier sizes."""
    hashes = [sha256(b"\x00", entry) for entry in log.entries[:size]]
    return [
        {"url": url, "number": number, "earlier": before, "earlierRoot": [encoded(merkle_root(hashes[:before]))]}
        for number, before in sorted({(0, 1), (size // 2, (size + 1) // 2), (size - 1, size)})
    ]


def changed(case: Case, *, consistency: bool, step: int = 1) -> Iterator[Case]:
    """Yield a case again and again with one byte flipped, a hash more or less, and for the entry beside."""
    yield from _changed_checkpoints(case, step)
    for position in range(0, len(base64.b64decode(case["entry"])), step):
        yield case | {"entry": _flipped(case["entry"], position)}
    for name in LISTS if consistency else LISTS[:1]:
        for number, one in enumerate(case[name]):
            for position in range(0, HASH_BYTES, step):
                others = [*case[name]]
                others[number] = _flipped(one, position)
                yield case | {name: others}
        yield case | {name: [*case[name], encoded(bytes(HASH_BYTES))]}
        if case[name]:
            yield case | {name: case[name][:-1]}
    yield case | {"number": case["number"] + 1}


def _changed_checkpoints(case: Case, step: int) -> Iterator[Case]:
    """Yield a case with another character in the signed text or the signature that every verifier knows."""
    note = case["checkpoint"]
    text = range(note.index("\n\n"))
    begin = note.index(" ", note.index("\n— ") + len("\n— ")) + 1
    # The last two characters of base64 have bits of no byte, which not every verifier holds to being zero.
    signature = range(begin, note.index("\n", begin) - 2)
    for position in [*text, *signature][::step]:
        other = "A" if note[position] != "A" else "B"
        yield case | {"checkpoint": note[:position] + other + note[position + 1 :]}


def encoded(data: bytes) -> str:
    """Return base64."""
    return base64.b64encode(data).decode()


def accepted(verdicts: Sequence[str]) -> int:
    """Count the cases that were accepted."""
    return sum(not verdict for verdict in verdicts)


def _flipped(text: str, position: int) -> str:
    data = bytearray(base64.b64decode(text))
    data[position] ^= 1 << position % 8
    return encoded(bytes(data))
