"""What a reader of statements in another language is asked, and what it has to answer: the vectors and the cheats."""

from typing import Any

from pkd.keys import base64url, digest
from pkd.statements import NOTHING, Signatures, Statement
from pkd.tests.owners import DIRECTORY, Identity, first, following, signed
from pkd.tests.test_statement_rules import ALICE, CHEATS, HONEST, NEW_PHONE, OWNED, PAPER, THIEF, Case
from pkd.tests.test_statements import ALICE_0, BAD_VALUES, SMALL_ORDER, SPELLINGS, VALUES, VECTORS, with_value
from tests.test_owners_in_python import CODE, MISTAKEN, WRITTEN

# Everything that the tests ask, in one answer: Node.js and browsers start once.
ASK = """
async ({ base, vectors, texts, values, cases, codes, identities, points, forged, answers, pins }) => {
  const { readAnswers } = await import(`${base}answers.js`);
  const { verdictOn } = await import(`${base}../verdicts.js`);
  const [{ BadStatement, LINES, digestOf, firstStatement, following, parse, registration, textOf },
    { RULES, brokenRule, kindOf }, recovery, { digest, isRecovery, isSignedByIdentity, isSignedByRecovery }] =
    await Promise.all(["statements", "rules", "recovery", "signatures"].map((name) => import(`${base}${name}.js`)));
  const all = (items, ask) => Promise.all(items.map(ask));
  const refusal = (read) => {
    try {
      read();
      return "";
    } catch (error) {
      if (!(error instanceof BadStatement)) throw error;
      return error.message;
    }
  };
  const proposalOf = ({ statement, signatures, before, isReleased }) =>
    ({ statement: parse(statement), signatures, before: before === null ? null : parse(before), isReleased });
  const signed = vectors.statements.map(([text, signatures]) => ({ text, ...signatures, statement: parse(text) }));
  const [{ statement: alice0 }, , alice1] = signed;
  const [registerText, registerSignature] = vectors.register;
  const seed = await recovery.recoverySeed(Uint8Array.from({ length: 16 }, (_, at) => at), vectors.directory, "alice");
  const paper = await recovery.recoveryKey(seed);
  const { alice1: one, alice2: two } = vectors.identities;
  const made = await firstStatement(vectors.directory, "alice", one, paper.publicKey);
  return {
    texts: texts.map((text) => refusal(() => parse(text))),
    linesWithoutRule: LINES.filter(([line], at) => {
      const lines = LINES.with(at, [line, () => true, ""]);
      return !values[line].some((text) => refusal(() => parse(text, lines)) === "");
    }).map(([line]) => line),
    broken: await all(cases, async (it) => {
      const rule = await brokenRule(proposalOf(it));
      return rule ? [rule[0], rule[2]] : [0, kindOf(proposalOf(it))];
    }),
    idleRules: (await all(RULES, async (rule) => {
      const rules = RULES.filter((it) => it !== rule);
      const kept = await all(cases.filter(({ number }) => number), async (it) => brokenRule(proposalOf(it), rules));
      return kept.includes(null) ? null : rule[2];
    })).filter((it) => it !== null),
    vectors: {
      written: signed.map(({ statement }) => textOf(statement)),
      statementHashes: await all(signed, ({ statement }) => digestOf(statement)),
      areSigned: await all(signed, (it) => isSignedByIdentity(it.text, it.identity, it.statement.identity)),
      isRestored: await isSignedByRecovery(alice1.text, alice1.recovery, alice0.recovery),
      register: registration(vectors.directory, "alice", registerText.trim().split(" ").at(-1)) === registerText,
      registerSigned: await all(identities, (it) => isSignedByIdentity(registerText, registerSignature, it)),
      made: textOf(made),
      followed: textOf(await following(made, { identity: two, key: await digest(two) })),
      recoveryCode: await recovery.recoveryCode(Uint8Array.from({ length: 16 }, (_, at) => at)),
      recoverySeed: Array.from(seed, (byte) => byte.toString(16).padStart(2, "0")).join(""),
      recoverySigned: await paper.sign(alice1.text),
    },
    answers: await all(answers, ({ clientId, directory, pinned, pages, most }) =>
      readAnswers(clientId, directory ?? undefined, pinned ?? undefined, async (after) => pages[after], most).then(
        ({ status, chain }) => [status, chain.length, ...pins.map((pin) => verdictOn(pin, chain))],
        ({ code, rule }) => [code, rule],
      )),
    codes: await all(codes, (it) => recovery.readRecoveryCode(it).then((secret) => [...secret], ({ code }) => code)),
    ownCode: (await recovery.readRecoveryCode(await recovery.newRecoveryCode())).length,
    smallOrder: points.map(isRecovery),
    forged: await all(points, (point) => isSignedByRecovery("text", forged, point)),
  };
}
"""

BAD_TEXTS = {**SPELLINGS, **{f"{line} {name}": with_value(line, value) for line, name, value in BAD_VALUES}}
# R is the neutral element and s is 0: right for every message under a key of small order, by the equation alone.
FORGED = "AQ" + "A" * 84


ROTATED = following(OWNED, identity=NEW_PHONE.public, key=digest(NEW_PHONE.public))
RELEASED = following(OWNED, identity=THIEF.public, recovery=NOTHING, key=digest(THIEF.public))


def row_of(statement: Statement, signatures: Signatures, kind: int = 1) -> dict[str, Any]:
    named = {name: value for name, value in signatures._asdict().items() if value is not None}
    return {"statement": statement.text, "signatures": named, "kind": kind}


def a_first_statement(client_id: str) -> dict[str, Any]:
    """Make the row of an answer by which an ID belongs to somebody."""
    statement = first(THIEF, client_id=client_id)
    return row_of(statement, signed(statement, THIEF))


def many(count: int) -> list[dict[str, Any]]:
    """Make the statements of an owner who closes and opens again and again."""
    chain = [OWNED]
    for _ in range(count - 1):
        chain.append(following(chain[-1], key=OWNED.key if chain[-1].key == NOTHING else NOTHING))
    return [row_of(statement, signed(statement, ALICE)) for statement in chain]


def asked(rows: list[dict[str, Any]], *, pinned: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return what a client asks, and an answer with these statements, as a directory gives it."""
    answer = {"clientId": "alice", "directory": DIRECTORY, "status": "signed", "statements": rows, **fields}
    last = rows[-1]["statement"].splitlines()[-1].removeprefix("key ") if rows and "statement" in rows[-1] else NOTHING
    names = {digest(key): key for key in (ALICE.public, NEW_PHONE.public, THIEF.public)}
    after = -1 if pinned is None else int(pinned.splitlines()[3].split()[1])
    pages = {str(after): {"publicKey": names.get(last), **answer}}
    return {"clientId": "alice", "directory": DIRECTORY, "pinned": pinned, "pages": pages}


FIRST = row_of(OWNED, signed(OWNED, ALICE))
SECOND = row_of(ROTATED, signed(ROTATED, NEW_PHONE, previous=ALICE))
UNTOLD = {name: FIRST[name] for name in ("statement", "signatures")}
KNOWN = {**FIRST, "signatures": {}}
MANY = many(40)
PAGED = asked(MANY[:32]) | {
    "pages": {
        "-1": {**asked(MANY[:32])["pages"]["-1"]},
        "31": {**asked(MANY[31:])["pages"]["-1"]},
    }
}
# What somebody knows of alice: nothing; her key; that it owns her ID; another key.
PINS = [
    None,
    {"publicKey": ALICE.public},
    {"publicKey": ALICE.public, "statement": OWNED.text},
    {"publicKey": "another"},
]
BELIEVED: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "the first": (asked([FIRST]), ["signed", 1, "new", "known", "known", "changed"]),
    "another key": (asked([FIRST, SECOND]), ["signed", 2, "new", "moved", "moved", "changed"]),
    "from the one that is known on": (
        asked([KNOWN, SECOND], pinned=OWNED.text),
        ["signed", 2, "new", "moved", "moved", "changed"],
    ),
    "after a release": (
        asked([FIRST, row_of(RELEASED, signed(RELEASED, THIEF), 2)]),
        ["signed", 2, "new", "released", "released", "changed"],
    ),
    "withheld": (asked([FIRST], status="revoked", publicKey=None), ["revoked", 1, "new", "known", "known", "changed"]),
    "in two pages": (PAGED, ["signed", 40, "new", "known", "known", "changed"]),
    "nobody's": (asked([], status="unsigned", publicKey="any"), ["unsigned", 0, "new", *["changed"] * 3]),
    "erased": (asked([{"kind": 1}], status="erased"), ["erased", 0, "new", *["changed"] * 3]),
    "in a public log, whose update says the kind": (
        asked([{**UNTOLD, "update": base64url(bytes([1, 1]) + bytes(108))}]),
        ["signed", 1, "new", "known", "known", "changed"],
    ),
}
UNBELIEVED: dict[str, tuple[dict[str, Any], int]] = {
    "an old server": (asked([FIRST], directory=None), 0),
    "another directory": (asked([FIRST], directory="calls.example.net"), 0),
    "about another ID": (asked([FIRST], clientId="bob"), 0),
    "another key than the owner's": (asked([FIRST], publicKey=THIEF.public), 0),
    "the owner's key held back": (asked([FIRST], publicKey=None), 0),
    "a key that is withheld": (asked([FIRST], status="revoked"), 0),
    "a status of its own": (asked([FIRST], status="owned"), 0),
    "belongs to a key without a statement": (asked([]), 2),
    "nobody's with statements": (asked([FIRST], status="unsigned"), 0),
    "nobody's that was somebody's": (asked([], pinned=OWNED.text, status="unsigned"), 0),
    "older than what is known": (asked([], pinned=OWNED.text), 2),
    "another one than what is known": (asked([row_of(ROTATED, Signatures(""))], pinned=OWNED.text), 2),
    "no signatures": (asked([{**FIRST, "signatures": None}]), 0),
    "no kind": (asked([UNTOLD]), 0),
    "another kind": (asked([{**FIRST, "kind": 3}]), 0),
    "the owner's told as one after a release": (asked([FIRST, {**SECOND, "kind": 2}]), 5),
    "a release told as the owner's": (asked([FIRST, row_of(RELEASED, signed(RELEASED, THIEF))]), 3),
    "a statement of another ID": (asked([row_of(first(ALICE, client_id="bob"), Signatures(""))]), 2),
    "more pages than anybody makes": (PAGED | {"most": 1}, 0),
    "no statement": (asked([{"statement": "-", "signatures": {}, "kind": 1}]), 0),
    "a second page that does not follow": (
        PAGED | {"pages": {**PAGED["pages"], "31": PAGED["pages"]["-1"]}},
        2,
    ),
}


def case_of(number: int, case: Case) -> dict[str, Any]:
    signatures = {name: value for name, value in case.signatures._asdict().items() if value is not None}
    return {
        "number": number,
        "statement": case.statement.text,
        "signatures": signatures,
        "before": None if case.before is None else case.before.text,
        "isReleased": case.is_released,
    }


QUESTION: dict[str, Any] = {
    "vectors": VECTORS,
    "texts": [ALICE_0, *BAD_TEXTS.values()],
    "values": {line: [with_value(line, value) for value in values.values()] for line, values in VALUES.items()},
    "cases": [
        *(case_of(case.rule, case) for case in CHEATS.values()),
        *(case_of(0, case) for _, case in HONEST.values()),
    ],
    "codes": [*WRITTEN, *MISTAKEN],
    "identities": [Identity("alice 2").public, Identity("alice 1").public],
    "points": [*SMALL_ORDER, PAPER.public],
    "forged": FORGED,
    "answers": [question for question, _ in (*BELIEVED.values(), *UNBELIEVED.values())],
    "pins": PINS,
}


def check(answer: dict[str, Any]) -> None:
    """Compare what the library answered with the vectors, and with what the server's rules say."""
    assert answer["texts"][0] == ""
    assert [name for name, refusal in zip(BAD_TEXTS, answer["texts"][1:], strict=True) if refusal == ""] == []
    numbers = [number for number, _ in answer["broken"]]
    assert dict(zip(CHEATS, numbers, strict=False)) == {name: case.rule for name, case in CHEATS.items()}
    assert [kind for _, kind in answer["broken"][len(CHEATS) :]] == [int(kind) for kind, _ in HONEST.values()]
    assert (answer["linesWithoutRule"], answer["idleRules"]) == ([], [])
    texts = [text for text, _ in VECTORS["statements"]]
    assert answer["vectors"] == {
        "written": texts,
        "statementHashes": VECTORS["statementHashes"],
        "areSigned": [True, True, True],
        "isRestored": True,
        "register": True,
        "registerSigned": [True, False],
        "made": texts[0],
        "followed": texts[2],
        "recoveryCode": CODE,
        "recoverySeed": VECTORS["recoverySeed"],
        "recoverySigned": VECTORS["statements"][2][1]["recovery"],
    }
    assert answer["codes"] == [*([list(range(16))] * len(WRITTEN)), *(["bad-recovery-code"] * len(MISTAKEN))]
    assert answer["ownCode"] == 16
    expected = [result for _, result in BELIEVED.values()]
    expected += [["refused-answer", rule] for _, rule in UNBELIEVED.values()]
    names = [*BELIEVED, *UNBELIEVED]
    assert dict(zip(names, answer["answers"], strict=True)) == dict(zip(names, expected, strict=True))
    assert answer["smallOrder"] == [*([False] * len(SMALL_ORDER)), True]
    assert not any(answer["forged"])
