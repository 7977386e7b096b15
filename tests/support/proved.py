"""What a reader of the public log in another language is asked, and what it has to answer: vectors, and lies."""

import base64
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from securecall_client.transparency import Log, Pin
from tests.support.lies import (
    BOB,
    CHEATS,
    NEW,
    NOW,
    OLD,
    TAKEN,
    THIEF,
    Payload,
    World,
    changed,
    changes,
    changes_70_times,
)
from tests.support.made_directory import VRF, MadeDirectory, base64url, successor
from tests.support.made_log import UPDATE_BYTES, sha256, vkey
from tests.support.vectors import load
from transparency.vrf import index_of

TRUST, MERKLE = load("trust"), load("merkle")

# Everything that the tests ask, in one answer: Node.js and browsers start once.
ASK = """
async ({ base, trust, merkle, cases, flips, step, offset }) => {
  const [curve, ed25519, trees, notes, vrf, { readProved }, { verdictOn }, { RefusedAnswer }] = await Promise.all(
    ["curve", "ed25519", "trees", "notes", "vrf", "check", "../verdicts", "../ownership/answers"]
      .map((name) => import(`${base}${name}.js`)));
  const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (it) => parseInt(it, 16));
  const hex = (it) => Array.from(it, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const utf8 = (text) => new TextEncoder().encode(text);
  const base64 = (text) => Uint8Array.from(atob(text), (it) => it.charCodeAt(0));
  const all = async (items, ask) => {
    const answers = [];
    for (const it of items) answers.push(await ask(it));
    return answers;
  };
  // Nothing but a refusal may come out of what is wrong.
  const told = (asked) => asked.catch((error) => error instanceof RefusedAnswer ? "refused" : `threw ${error.stack}`);
  const logOf = ({ vkey, size, root }) => ({ vkey, tree: { size, root: bytes(root) } });
  const judge = ({ clientId, log, pinned, now, pages, mostAnswers }) => {
    const question = { clientId, log: logOf(log), pinned: pinned ?? {}, now };
    return readProved(question, async (after) => pages[after], mostAnswers).then(({ standing, log: kept }) => [
      standing.status, standing.publicKey, verdictOn(pinned, standing.chain), kept.tree.size, hex(kept.tree.root),
      standing.chain.at(-1)?.text ?? null, standing.chain.at(-1)?.update ?? null,
    ]);
  };
  const output = (key, alpha, proof) => told(vrf.verify(bytes(key), alpha, bytes(proof)).then(hex));
  const hashes = merkle.hashes.map(bytes);
  const key = await notes.readLogKey(trust.vkey);
  const { checkpoint } = trust.lookupAlice.proof;
  const [lineOfKey] = checkpoint.split("\\n").slice(4);
  const signature = base64(lineOfKey.split(" ")[2]).slice(4);
  const text = utf8(checkpoint.slice(0, checkpoint.indexOf("\\n\\n") + 1));
  const wrong = [signature.with(0, signature[0] ^ 1), signature.with(63, 0xff), signature.slice(1)];

  const changed = function* (data) {
    for (const [at, byte] of data.entries()) {
      yield data.with(at, byte ^ (1 << (at % 7)));
    }
    for (const [at, byte] of data.entries()) {
      if (!'{}[]":,'.includes(String.fromCharCode(byte))) continue;
      for (const other of ["", " ", ",", '"', "]", "0"]) {
        yield Uint8Array.from([...data.slice(0, at), ...utf8(other), ...data.slice(at + 1)]);
      }
    }
  };
  const flipped = async ({ after, ...question }) => {
    const honest = JSON.stringify(question.pages[after]);
    const counts = { tried: 0, believed: 0, threw: [] };
    let number = 0;
    for (const data of changed(utf8(honest))) {
      number += 1;
      if (number % step !== offset) continue;
      counts.tried += 1;
      let payload;
      try {
        payload = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
      } catch {
        continue;
      }
      if (JSON.stringify(payload) === honest) continue;
      const answer = await told(judge({ ...question, pages: { [after]: payload } }));
      if (String(answer).startsWith("threw")) counts.threw.push(answer);
      else if (answer !== "refused") counts.believed += 1;
    }
    return counts;
  };

  return {
    b3: await all(trust.vrf.rfc9381B3, ({ pk, alpha, pi }) => output(pk, bytes(alpha), pi)),
    accepted: await all(trust.vrf.accepted, (it) => output(it.key, utf8(it.alpha), it.proof)),
    refused: await all(trust.vrf.refused, (it) => output(it.key, utf8(it.alpha), it.proof)),
    indexes: await all(Object.entries(trust.vrfProofs), async ([id, proof]) =>
      [id, hex(await vrf.verify(key.vrf, utf8(id), bytes(proof))).slice(0, 64)]),
    vkey: [key.name, key.directory, hex(key.vrf)],
    vkeys: await all(trust.badKeys, (it) => told(notes.readLogKey(it))),
    leaves: await all(trust.entries, async (it) => hex(await trees.leafHash(bytes(it)))),
    consistency: await all(merkle.consistency, ([, from, to, path, before, after]) => told(trees.checkConsistent(
      { size: from, root: hashes[before] }, { size: to, root: hashes[after] }, path.map((it) => hashes[it])))),
    inclusion: await all(merkle.inclusion, ([, , size, leaf, path, root]) => told(
      trees.checkLast(hashes[leaf], { size, root: hashes[root] }, path.map((it) => hashes[it])))),
    signatures: await all([signature, ...wrong], async (it) =>
      [await ed25519.isSignedBy(key.publicKey, it, text), await ed25519.verify(key.publicKey, it, text)]),
    cases: await all(cases, (it) => told(judge(it))),
    flips: await all(flips, flipped),
  };
}
"""


def moves(directory: MadeDirectory) -> None:
    """Move alice to bob's key, for which her last one signs."""
    statement = successor(directory.last["alice"], identity=BOB.identity)
    signatures = {"identity": BOB.sign(statement.text), "previous": NEW.sign(statement.text)}
    directory.accept(statement, signatures, OLD.identity)


def case(world: World, payload: Any, *, client_id: str = "alice", after: int = 1, **known: Any) -> dict[str, Any]:
    """Return a question, and the answer to it; `known` are the log, the pin and the other pages."""
    log: Log = known.get("log", world.log)
    pin: Pin | None = known.get("pin", world.pin) if client_id == "alice" and after >= 0 else None
    pinned = pin and {
        "publicKey": pin.statement.split("\nidentity ")[1].split("\n")[0],
        "statement": pin.statement,
        **({"update": base64url(pin.update), "vkey": pin.vkey} if pin.vkey else {}),
    }
    return {
        "clientId": client_id,
        "log": {"vkey": log.vkey, "size": log.size, "root": log.root.hex()},
        "pinned": pinned,
        "now": NOW * 1000,
        "pages": {str(after): payload, **known.get("pages", {})},
    }


def _believed() -> dict[str, tuple[dict[str, Any], list[Any]]]:
    """Return honest answers, and what a client makes of each: status, key, verdict, size of the tree."""
    world = World()
    unlogged = world.pin and world.pin._replace(update=b"", vkey="")
    erased = world.answer() | {"status": "erased", "publicKey": None}
    erased["statements"] = [{"update": erased["statements"][-1]["update"]}]
    released = World(lambda directory: changes(directory, {"identity": BOB.identity}, by=BOB, kind=2))
    moved, many = World(moves), World(changes_70_times)
    later = {str(after): page for after, page in _later_pages(many).items()}
    vectors: dict[str, Any] = {"log": Log(TRUST["vkey"]), "pin": None}
    alice, carol = ({**TRUST[name], "directory": TRUST["directory"]} for name in ("lookupAlice", "lookupCarol"))
    seen = (
        Log(TRUST["vkey"], 1, bytes.fromhex(TRUST["roots"][0])),
        Log(TRUST["vkey"], 2, bytes.fromhex(TRUST["roots"][1])),
    )
    nobody = world.answer("nobody", -1)
    revoked = world.answer() | {"status": "revoked", "publicKey": None}
    empty = MadeDirectory().answer("alice", now=NOW)
    key = OLD.identity
    return {
        "nothing new": (case(world, world.answer()), ["signed", key, "known", 6]),
        "from a server without a log": (case(world, world.answer(), pin=unlogged), ["signed", key, "known", 6]),
        "the first time": (case(world, world.answer(after=-1), after=-1), ["signed", key, "new", 6]),
        "nobody's": (
            case(world, nobody, client_id="nobody", after=-1),
            ["unsigned", None, "new", 6],
        ),
        "moved": (case(moved, moved.answer()), ["signed", key, "moved", 4]),
        "released": (case(released, released.answer()), ["signed", key, "released", 4]),
        "revoked": (
            case(world, revoked),
            ["revoked", None, "known", 6],
        ),
        "erased": (case(world, erased), ["erased", None, "changed", 6]),
        "in three pages": (case(many, many.answer(), pages=later), ["signed", key, "known", 73]),
        "an empty log": (case(world, empty, after=-1, log=Log(vkey())), ["unsigned", None, "new", 0]),
        "the vectors' alice": (
            case(world, alice, after=-1, **vectors | {"log": seen[0]}),
            ["signed", alice["publicKey"], "new", 3],
        ),
        "the vectors' carol": (
            case(world, carol, client_id="carol", after=-1, **vectors | {"log": seen[1]}),
            ["unsigned", None, "new", 3],
        ),
    }


def _later_pages(many: World) -> dict[int, Payload]:
    """Return the second and the third page of 70 statements: each is asked for with the tree of the one before."""
    size = len(many.directory.log.entries)
    return {after: many.directory.answer("alice", after=after, size=size, now=NOW) for after in (32, 63)}


def _unbelieved() -> dict[str, dict[str, Any]]:
    world = World()
    cheats = {name: case(world, cheat(world)) for name, cheat in CHEATS.items()}
    many = World(changes_70_times)
    endless = case(many, many.answer(), pages={str(after): page for after, page in _later_pages(many).items()})
    return cheats | _more_cheats(world) | {"more pages than are read": endless | {"mostAnswers": 2}}


def _more_cheats(world: World) -> dict[str, dict[str, Any]]:
    """Return cheats of what is not pinned, or was pinned before there was a log."""
    first = MadeDirectory()
    statement = first.claim("alice", OLD)
    released = MadeDirectory()
    released.accept(statement, {"identity": OLD.sign(statement.text)}, OLD.identity, kind=2)
    fresh: dict[str, Any] = {"after": -1, "log": Log(vkey())}
    elsewhere = world.answer("nobody", -1) | {"directory": "calls.example.com"}
    taken = World(lambda directory: changes(directory, TAKEN, by=THIEF))
    absent = world.answer("nobody", -1) | {"clientId": "alice"}
    hidden = world.answer(after=-1) | {"status": "unsigned", "statements": [], "publicKey": "new"}
    _, own_leaf = world.directory.log.tree.path(index_of(VRF.prove(b"alice")))
    hidden["proof"] |= {"nonInclusionLeaf": base64url(own_leaf or b"")}
    empty = MadeDirectory().answer("alice", now=NOW)
    empty["proof"] |= {"entry": world.answer()["proof"]["entry"]}
    other = Pin(successor(first.last["alice"]).text)
    detour, version = World(logged_elsewhere), World(logged_in_another_version)
    return _cheats_of_pages() | {
        "another directory, of nobody": case(world, elsewhere, client_id="nobody", after=-1),
        "a first statement after a release": case(world, released.answer("alice", now=NOW), **fresh),
        "a key that nobody before agreed to": case(taken, taken.answer(after=-1), after=-1),
        "absent, by another ID's proof": case(world, absent, after=-1),
        "absent, by her own leaf": case(world, hidden, after=-1),
        "a tree that is larger": case(world, world.answer(), log=Log(world.log.vkey, 7, bytes(32))),
        "an empty log that shows an entry": case(world, empty, **fresh),
        "another statement than before there was a log": case(world, world.answer(), pin=other),
        "an update of another index between": case(detour, detour.answer()),
        "an update of another version": case(version, version.answer()),
        "no signatures": case(world, changed("statements", 1, to=left_out("signatures"))(world)),
        "no statement": case(world, changed("statements", 1, to=left_out("statement"))(world)),
        **{name: case(world, changed("proof", "checkpoint", to=to)(world)) for name, to in NOTES.items()},
    }


def _cheats_of_pages() -> dict[str, dict[str, Any]]:
    """Return cheats of more statements than an answer has room for."""
    many = World(changes_70_times)
    later, again = _later_pages(many), many.directory.answer("alice", after=1, size=73, now=NOW)
    swapped = deepcopy(later[32])
    swapped["statements"][0]["statement"] = many.answer()["statements"][0]["statement"]
    listed = many.directory.listed["alice"]
    crowded = many.answer() | {"statements": [listed[1] | {"signatures": {}}, *listed[2:41]]}
    rest = {str(after): many.directory.answer("alice", after=after, size=73, now=NOW) for after in (40, 71)}
    return {
        "pages with a gap": case(many, many.answer(), pages={"32": later[63]}),
        "a page twice": case(many, many.answer(), pages={"32": again}),
        "a page that begins elsewhere": case(many, many.answer(), pages={"32": swapped, "63": later[63]}),
        "40 statements in one answer": case(many, crowded, pages=rest),
    }


def left_out(name: str) -> Callable[[Payload], Payload]:
    """Return what leaves a field out of an object."""
    return lambda whole: {field: value for field, value in whole.items() if field != name}


def logged_elsewhere(directory: MadeDirectory) -> None:
    """Log one of alice's statements under another index, and the next one as if it had been hers."""
    alice, elsewhere = index_of(VRF.prove(b"alice")), bytes(range(32))
    changes(directory, index=elsewhere, before=directory.log.last[alice][1])
    changes(directory, before=directory.log.last[elsewhere][1])


def logged_in_another_version(directory: MadeDirectory) -> None:
    changes(directory)
    update = b"\x02" + directory.log.entries[-1][1:UPDATE_BYTES]
    directory.log.entries[-1] = update + directory.log.tree.put(index_of(VRF.prove(b"alice")), sha256(update))
    directory.listed["alice"][-1]["update"] = base64url(update)


def respelled(checkpoint: str) -> str:
    """Return a checkpoint whose first signature has bits behind its last byte, which decoders leave out."""
    lines = checkpoint.split("\n")
    last = lines[4][-2]
    return checkpoint.replace(lines[4], f"{lines[4][:-2]}{chr(ord(last) + 1)}=")


def with_a_time(checkpoint: str) -> str:
    """Return a checkpoint whose time is another one than was signed."""
    line = checkpoint.split("\n")[5]
    data = base64.b64decode(line.split(" ")[2])
    later = data[:4] + (NOW + 1).to_bytes(8, "big") + data[12:]
    return checkpoint.replace(line, f"{line.rpartition(' ')[0]} {base64.b64encode(later).decode()}")


# What is made of a checkpoint that is right.
NOTES: dict[str, Callable[[str], str]] = {
    "another spelling of a signature": respelled,
    "another time than was signed": with_a_time,
    "no checkpoint": lambda _: "",
    "a checkpoint without its last line end": lambda note: note[:-1],
    "a checkpoint of four lines": lambda note: note.replace("\n\n", "\nextension\n\n", 1),
    "a line that is no signature": lambda note: f"{note}hello\n",
    "a signature twice": lambda note: note + note.split("\n")[4] + "\n",
    "a key ID without a signature": lambda note: f"{note}— witness AAAAAA==\n",
}

BELIEVED, UNBELIEVED = _believed(), _unbelieved()
FLIPPED = {
    name: {**BELIEVED[honest][0], "after": after}
    for name, honest, after in (("pinned", "nothing new", 1), ("unpinned", "the first time", -1))
}
BAD_VKEYS = {
    "another key ID": TRUST["vkey"].replace("c94dbc7c", "c94dbc7d"),
    "another directory": TRUST["vkey"].replace("calls.example.org", "calls.example.net"),
    "a line end": f"{TRUST['vkey']}\n",
    "no key": TRUST["vkey"].rpartition("+")[0],
    "another kind": TRUST["vkey"].replace("+AU", "+BU"),
    "nothing": None,
}
# Without sizes that no checkpoint and no client has, entries that are not the last one, and a root of no bytes.
CONSISTENCY = [row for row in MERKLE["consistency"] if 0 < row[1] <= row[2]]
INCLUSION = [row for row in MERKLE["inclusion"] if row[1] == row[2] - 1 and MERKLE["hashes"][row[5]]]
LEAST_FLIPS = 5_000


def question(step: int, offset: int = 0) -> dict[str, Any]:
    """Return what is asked; of the changed bytes one in `step` is tried, from `offset` on."""
    return {
        "trust": {**TRUST, "badKeys": list(BAD_VKEYS.values())},
        "merkle": {"hashes": MERKLE["hashes"], "consistency": CONSISTENCY, "inclusion": INCLUSION},
        "cases": [*(asked for asked, _ in BELIEVED.values()), *UNBELIEVED.values()],
        "flips": list(FLIPPED.values()),
        "step": step,
        "offset": offset,
    }


def check(answer: dict[str, Any], step: int) -> None:
    """Compare what the library answered with the vectors, and with what is true."""
    vrf = TRUST["vrf"]
    assert answer["b3"] == [one["beta"] for one in vrf["rfc9381B3"]]
    assert answer["accepted"] == [one["output"] for one in vrf["accepted"]]
    assert answer["refused"] == ["refused"] * 17
    assert dict(answer["indexes"]) == TRUST["indexes"]
    assert answer["vkey"][:2] == [TRUST["origin"], TRUST["directory"]]
    assert answer["vkeys"] == ["refused"] * len(BAD_VKEYS)
    assert answer["leaves"] == TRUST["leafHashes"]
    for asked, told, count in ((CONSISTENCY, answer["consistency"], 85), (INCLUSION, answer["inclusion"], 24)):
        expected = ["refused" if row[-1] else None for row in asked]
        assert len(asked) == count
        assert {row[0]: one for row, one in zip(asked, told, strict=True)} == {
            row[0]: one for row, one in zip(asked, expected, strict=True)
        }
    assert answer["signatures"] == [[True, True], *([[False, False]] * 3)]
    check_cases(answer["cases"])
    assert sum(counts["tried"] for counts in answer["flips"]) > LEAST_FLIPS / step
    assert [(counts["believed"], counts["threw"]) for counts in answer["flips"]] == [(0, [])] * len(FLIPPED)


def check_cases(told: list[Any]) -> None:
    """Compare what is believed: the honest answers, and no cheat."""
    for (name, (_, expected)), one in zip(BELIEVED.items(), told, strict=False):
        assert one[:4] == expected, (name, one)
    assert len(UNBELIEVED) >= 60
    cheats = dict(zip(UNBELIEVED, told[len(BELIEVED) :], strict=True))
    assert {name: one for name, one in cheats.items() if one != "refused"} == {}
