"""What a reader of statements in another language is asked, and what it has to answer: the vectors and the cheats."""

from typing import Any

from pkd.tests.owners import Identity
from pkd.tests.test_statement_rules import CHEATS, HONEST, PAPER, Case
from pkd.tests.test_statements import ALICE_0, BAD_VALUES, SMALL_ORDER, SPELLINGS, VALUES, VECTORS, with_value
from tests.test_owners_in_python import CODE, MISTAKEN, WRITTEN

# Everything that the tests ask, in one answer: Node.js and browsers start once.
ASK = """
async ({ base, vectors, texts, values, cases, codes, identities, points, forged }) => {
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
    assert answer["smallOrder"] == [*([False] * len(SMALL_ORDER)), True]
    assert not any(answer["forged"])
