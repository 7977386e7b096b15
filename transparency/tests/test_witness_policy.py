"""Policies of witnesses: who is enough, and what is refused with a sentence."""

import pytest

from transparency.notes import COSIGNATURE, Signer
from transparency.witness_policy import MOST_LINE_BYTES, BadPolicyError, Policy, Witness

SIGNERS = [Signer(f"w{number}.example", bytes([number] * 32)) for number in range(1, 4)]
VKEYS = [signer.verifier.vkey_of(COSIGNATURE) for signer in SIGNERS]
ONE, TWO, THREE = (f"witness w{number} {VKEYS[number - 1]} https://w{number}.example/w" for number in range(1, 4))
# Which of the three are enough: none, the first, the first two, all.
SETS: list[list[str]] = [[], ["w1"], ["w1", "w2"], ["w1", "w2", "w3"]]
ENOUGH = {
    "quorum none": [True, True, True, True],
    "quorum w2": [False, False, True, True],
    "group g any w1 w2 w3;quorum g": [False, True, True, True],
    "group g 2 w1 w2 w3;quorum g": [False, False, True, True],
    "group g all w1 w2 w3;quorum g": [False, False, False, True],
    "group a any w2 w3;group g all w1 a;quorum g": [False, False, True, True],
}


@pytest.mark.parametrize(("lines", "expected"), ENOUGH.items(), ids=ENOUGH)
def test_quorum_is_met(lines: str, expected: list[bool]) -> None:
    policy = Policy.parse([ONE, TWO, "", "# a comment", f"{THREE}/ # with a slash", *lines.split(";")])
    assert policy.witnesses[2] == Witness("w3", SIGNERS[2].verifier, "https://w3.example/w")
    assert [policy.is_met(names) for names in SETS] == expected


LONG = [
    f"witness {name} {Signer(name, bytes([number] * 32)).verifier.vkey_of(COSIGNATURE)} https://w.example"
    for number, name in enumerate(f"{number}{'x' * 90}" for number in range(1, 6))
]
BAD: dict[str, tuple[list[str], str]] = {
    "no quorum": ([ONE], "quorum none"),
    "two quorums": ([ONE, "quorum w1", "quorum w1"], "one quorum"),
    "a quorum of two": ([ONE, TWO, "quorum w1 w2"], "one quorum"),
    "another word": (["log x", "quorum none"], "begins with"),
    "no URL": ([ONE.rpartition(" ")[0], "quorum w1"], "a vkey and a URL"),
    "an unknown witness": ([ONE, "quorum w2"], "w2 is no witness"),
    "a group of unknown ones": ([ONE, "group g any w1 w2", "quorum g"], "w2 is no witness"),
    "a group of more": ([ONE, TWO, "group g 3 w1 w2", "quorum g"], "1 to 2"),
    "a group of none": ([ONE, "group g 0 w1", "quorum g"], "1 to 1"),
    "a group without members": ([ONE, "group g any", "quorum g"], "its members"),
    "a member twice": ([ONE, "group g 2 w1 w1", "quorum g"], "each once"),
    "a name twice": ([ONE, TWO.replace("w2 ", "w1 ", 1), "quorum w1"], "something else already"),
    "a group with a witness' name": ([ONE, "group w1 any w1", "quorum w1"], "something else already"),
    "a witness called none": ([ONE.replace("w1 ", "none ", 1), "quorum none"], "something else already"),
    "a key twice": ([ONE, ONE.replace("w1 ", "w2 ", 1), "quorum w1"], "a key is named once"),
    "a key of type 01": ([f"witness w1 {SIGNERS[0].verifier.vkey} https://w.example", "quorum w1"], "type 04"),
    "a key that is cut": ([ONE.replace(VKEYS[0], VKEYS[0][:-1]), "quorum w1"], "type 04"),
    **{
        f"a URL like {url}": ([ONE.replace("https://w1.example/w", url), "quorum w1"], "https://HOST")
        for url in ("w1.example", "ftp://w1.example", "https://", "https://w:0/", "https://w/?a=b", "https://a@w/", "https://[")
    },
    "too many": ([*LONG, "quorum none"], str(MOST_LINE_BYTES)),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "sentence"), BAD.values(), ids=BAD)
def test_bad_policy_is_refused_with_a_sentence(lines: list[str], sentence: str) -> None:
    with pytest.raises(BadPolicyError, match=sentence):
        Policy.parse(lines)
