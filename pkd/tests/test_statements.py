import pytest

from pkd import keys, statements
from pkd.statements import LINES, BadStatementError, Signatures, parse
from pkd.tests.owners import Identity, first
from tests.support.vectors import load

# Made by somebody else's programs, from the texts that they name.
VECTORS = load("trust")
STATEMENTS = [(text, Signatures(**signatures)) for text, signatures in VECTORS["statements"]]
ALICE_0 = STATEMENTS[0][0]
ALICE, BOB = Identity("alice 1"), Identity("bob")
SMALL_ORDER = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    *(
        keys.base64url(bytes.fromhex(point))
        for point in (
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        )
    ),
]


def test_vectors_are_all_there() -> None:
    assert (len(STATEMENTS), len(VECTORS["statementHashes"]), len(VECTORS["identities"])) == (3, 3, 3)


@pytest.mark.parametrize("index", range(3))
def test_statement_is_read_and_written_as_in_the_vectors(index: int) -> None:
    text, signatures = STATEMENTS[index]
    statement = parse(text)
    assert statement.text == text
    assert statement.digest == VECTORS["statementHashes"][index]
    assert keys.is_signed_by_identity(text, signatures.identity, statement.identity)


def test_recovery_signature_of_the_vectors_is_right() -> None:
    (before, _), _, (text, signatures) = STATEMENTS
    assert signatures.recovery is not None
    assert keys.is_signed_by_recovery(text, signatures.recovery, parse(before).recovery)
    assert not keys.is_signed_by_recovery(before, signatures.recovery, parse(before).recovery)


@pytest.mark.parametrize("name", ["alice 1", "alice 2", "bob"])
def test_identities_of_the_vectors_are_made_from_their_names(name: str) -> None:
    identity = Identity(name)
    assert identity.public == VECTORS["identities"][name.replace(" ", "")]
    assert identity.private.private_numbers().private_value == int(VECTORS["scalars"][name.replace(" ", "")], 16)
    assert keys.is_identity(identity.public)


def test_registration_is_signed_as_in_the_vectors() -> None:
    text, signature = VECTORS["register"]
    challenge = text.split()[-1]
    assert statements.registration("calls.example.org", "alice", challenge) == text
    assert keys.is_signed_by_identity(text, signature, VECTORS["identities"]["alice2"])
    assert not keys.is_signed_by_identity(text, signature, VECTORS["identities"]["alice1"])


def test_public_key_fits_the_statement_that_names_it() -> None:
    assert statements.fits("opaque key of bob", parse(STATEMENTS[1][0]))
    assert not statements.fits("another key of bob", parse(STATEMENTS[1][0]))
    assert not statements.fits(None, parse(STATEMENTS[1][0]))
    assert statements.fits(None, parse(STATEMENTS[1][0])._replace(key="-"))


LINES_OF_ALICE = ALICE_0.split("\n")
SPELLINGS: dict[str, str] = {
    "CRLF": ALICE_0.replace("\n", "\r\n"),
    "CR": ALICE_0.replace("\n", "\r"),
    "no last line end": ALICE_0.removesuffix("\n"),
    "a line end more": f"{ALICE_0}\n",
    "a blank before": f" {ALICE_0}",
    "a byte order mark": f"\ufeff{ALICE_0}",
    "nothing": "",
    "version 1": ALICE_0.replace("-v2", "-v1"),
    "a line less": ALICE_0.replace("recovery RZMEssyX6tKYwq_9DTNEa7fIumwA5TZHqguntxZ0rlc\n", ""),
    "a line more": ALICE_0.replace("seq 0\n", "seq 0\nserial 0\n"),
    "two lines in each other's place": "\n".join(
        [*LINES_OF_ALICE[:2], LINES_OF_ALICE[3], LINES_OF_ALICE[2], *LINES_OF_ALICE[4:]]
    ),
    "a form feed between lines": ALICE_0.replace("alice\n", "alice\f", 1),
    "a line separator between lines": ALICE_0.replace("alice\n", "alice\u2028", 1),
    "two blanks": ALICE_0.replace("seq 0", "seq  0"),
    "a tab": ALICE_0.replace("seq 0", "seq\t0"),
    "a blank behind": ALICE_0.replace("seq 0", "seq 0 "),
    "a name in capitals": ALICE_0.replace("seq 0", "Seq 0"),
    "no value": ALICE_0.replace("seq 0", "seq"),
}
VALUES: dict[str, dict[str, str]] = {
    "directory": {"capitals": "Calls.example.org", "a port": "calls.example.org:443", "empty": "", "long": "a" * 254},
    "id": {"a dot": "al.ice", "long": "a" * 65, "empty": "", "a letter of another alphabet": "\u0430lice"},
    "seq": {
        "a leading zero": "00",
        "a sign": "+0",
        "2^32": "4294967296",
        "negative": "-1",
        "a fraction": "0.0",
        "other digits": "\u0660",
        "thousands of digits": "9" * 5000,
    },
    "previous": {"short": "HZusa30k", "padded": "HZusa30kybw20kdXf6gHOwHLehJKKrZBWGPyY1cMR9o=", "empty": ""},
    "identity": {
        "nothing": "-",
        "padded": f"{ALICE.public}==",
        "bits behind the last byte": f"{ALICE.public[:-1]}R",
        "base64": ALICE.public.replace("-", "+"),
        "a byte more": keys.base64url(keys.from_base64url(ALICE.public, 91) + b"\0"),
        "a byte less": keys.base64url(keys.from_base64url(ALICE.public, 91)[:-1]),
        "not on the curve": keys.base64url(keys.from_base64url(ALICE.public, 91)[:-1] + b"\0"),
        "another curve": keys.base64url(
            keys.from_base64url(ALICE.public, 91).replace(b"\x03\x01\x07", b"\x03\x01\x06")
        ),
        "a point that is compressed": keys.base64url(
            keys.IDENTITY_HEAD[:-1] + b"\x02" + keys.from_base64url(ALICE.public, 91)[27:59] + bytes(32)
        ),
        "a blank inside": f"{ALICE.public[:40]} {ALICE.public[40:]}",
    },
    "recovery": {
        "another spelling": "RZMEssyX6tKYwq_9DTNEa7fIumwA5TZHqguntxZ0rld",
        "33 bytes": keys.base64url(bytes(33)),
        **{f"small order {index}": point for index, point in enumerate(SMALL_ORDER)},
    },
    "key": {"hex": "73" * 32, "two hyphens": "--", "another spelling": "cw8qGXgzUtmDp_J_RnoXdrHR4q41QN7qohqSfdOJa95"},
}
BAD_VALUES = [(line, name, value) for line, values in VALUES.items() for name, value in values.items()]


def with_value(line: str, value: str) -> str:
    lines = [f"{line} {value}" if text.startswith(f"{line} ") else text for text in LINES_OF_ALICE]
    return "\n".join(lines)


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_parse_refuses_every_other_spelling(text: str) -> None:
    with pytest.raises(BadStatementError):
        parse(text)


@pytest.mark.parametrize(("line", "name", "value"), BAD_VALUES, ids=[f"{line} {name}" for line, name, _ in BAD_VALUES])
def test_parse_names_the_line_whose_value_is_none(line: str, name: str, value: str) -> None:  # noqa: ARG001
    with pytest.raises(BadStatementError, match=f"The line '{line}'"):
        parse(with_value(line, value))


@pytest.mark.parametrize("line", LINES)
def test_parse_without_one_lines_rule_takes_what_it_refuses(line: str) -> None:
    lines = LINES | {line: (lambda _: True, "")}
    for value in VALUES[line].values():
        try:
            parse(with_value(line, value), lines)
        except ValueError as error:
            # `int` has limits of its own.
            assert line == "seq", error  # noqa: PT017
            continue
        return
    pytest.fail(f"The rule of the line {line!r} refuses nothing.")


@pytest.mark.parametrize("text", ["", "-", "=", "A", "AA", "AAA=", "AAB", "A+A", "A A", "A\nA", "ÄAA", "\ud800AA"])
def test_from_base64url_refuses_all_but_the_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="Write 2 bytes"):
        keys.from_base64url(text, 2)


def test_from_base64url_takes_the_one_spelling() -> None:
    assert keys.from_base64url("-_8", 2) == b"\xfb\xff"
    assert keys.base64url(b"\xfb\xff") == "-_8"


@pytest.mark.parametrize(
    "signature",
    ["", "A" * 86, "A" * 85 + "B", ALICE.sign("another"), BOB.sign("text"), ALICE.sign("text") + "=", "A" * 88],
    ids=["none", "zeros", "another spelling", "another text", "another identity", "padded", "66 bytes"],
)
def test_wrong_signature_of_an_identity_is_none(signature: str) -> None:
    assert keys.is_signed_by_identity("text", ALICE.sign("text"), ALICE.public)
    assert not keys.is_signed_by_identity("text", signature, ALICE.public)


def test_signature_under_a_key_of_small_order_is_none() -> None:
    # R is the neutral element and s is 0: right for every message, by the equation alone.
    forged = keys.base64url(b"\x01" + bytes(63))
    for point in SMALL_ORDER:
        assert not keys.is_signed_by_recovery("text", forged, point)


def test_longest_statement_is_read() -> None:
    statement = first(ALICE, client_id="a" * 64, directory="d" * 253, seq=2**32 - 1)
    assert parse(statement.text) == statement
