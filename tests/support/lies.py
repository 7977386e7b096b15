"""Directories that lie about alice, in every way that is known here, and what of it a client believes."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from securecall_client.ownership import Statement
from securecall_client.transparency import Log, Pin, RefusedError, check
from tests.support.made_directory import MadeDirectory, Owner, base64url, successor
from tests.support.made_log import BEGINNING, key_id, sha256, signed, vkey

NOW = 1_790_000_100
OLD, NEW, BOB, THIEF = Owner("alice 1"), Owner("alice 2"), Owner("bob"), Owner("thief")
Payload = dict[str, Any]
TAKEN = {"identity": THIEF.identity}


def begun() -> MadeDirectory:
    """Make a directory in which alice has moved to another key by her recovery code."""
    directory = MadeDirectory()
    directory.claim("alice", OLD)
    directory.claim("bob", BOB)
    directory.accept(*moved(directory), OLD.identity)
    return directory


def moved(directory: MadeDirectory) -> tuple[Statement, dict[str, str]]:
    statement = successor(directory.last["alice"], identity=NEW.identity)
    return statement, {"identity": NEW.sign(statement.text), "recovery": OLD.recover(statement.text)}


def goes_on(directory: MadeDirectory) -> None:
    directory.claim("carol", Owner("carol"))
    changes(directory)
    directory.claim("dave", Owner("dave"))


class World:
    """Alice is pinned at her second statement, in a tree of three entries; then the log goes on.

    `begin` makes the directory up to there; `served` are a server's own answers, where there is one.
    """

    def __init__(
        self,
        after: Callable[[MadeDirectory], None] = goes_on,
        begin: Callable[[], MadeDirectory] = begun,
        now: int = NOW,
        served: dict[tuple[str, int], Payload] | None = None,
    ) -> None:
        self.directory = begin()
        self.log = Log(vkey(), 3, self.directory.root)
        self.pin = check([self.directory.answer("alice", now=now)], "alice", Log(vkey()), None, now).pin
        after(self.directory)
        self.now = now
        self._begin = begin
        self._served = served or {}

    def anew(self, after: Callable[[MadeDirectory], None]) -> "World":
        """Return a world that was the same up to the pin."""
        return World(after, self._begin, self.now)

    def answer(self, client_id: str = "alice", after: int = 1) -> Payload:
        if (client_id, after) in self._served:
            return deepcopy(self._served[client_id, after])
        return deepcopy(self.directory.answer(client_id, after=after, size=self.log.size, now=self.now))


def changes(
    directory: MadeDirectory, fields: Payload | None = None, *, by: Owner = NEW, kind: int = 1, **lies: Any
) -> None:
    """Accept alice's next statement, with any fields; `lies` are the log's about it."""
    statement = successor(directory.last["alice"], **(fields or {}))
    directory.accept(statement, {"identity": by.sign(statement.text)}, OLD.identity, kind=kind, **lies)


def changes_70_times(directory: MadeDirectory) -> None:
    for _ in range(70):
        changes(directory)


def changed(*path: str | int, to: Any) -> Callable[[World], Payload]:
    """Return a cheat that answers with one field changed; `to` may be a function of what was there."""

    def cheat(world: World) -> Payload:
        payload = world.answer()
        holder: Any = payload
        for name in path[:-1]:
            holder = holder[name]
        holder[path[-1]] = to(holder[path[-1]]) if callable(to) else to
        return payload

    return cheat


def without(*path: str) -> Callable[[World], Payload]:
    def cheat(world: World) -> Payload:
        payload = holder = world.answer()
        for name in path[:-1]:
            holder = holder[name]
        del holder[path[-1]]
        return payload

    return cheat


def after(lie: Callable[[MadeDirectory], None]) -> Callable[[World], Payload]:
    """Return a cheat of an operator whose log itself has a lie."""
    return lambda world: world.anew(lie).answer()


def with_statements(change: Callable[[list[Payload]], list[Payload]]) -> Callable[[World], Payload]:
    return changed("statements", to=change)


def with_checkpoint(change: Callable[[World], str]) -> Callable[[World], Payload]:
    def cheat(world: World) -> Payload:
        payload = world.answer()
        payload["proof"]["checkpoint"] = change(world)
        return payload

    return cheat


def with_proof_of(make: Callable[[], MadeDirectory]) -> Callable[[World], Payload]:
    """Return a cheat that answers from another log, signed by the same key."""

    def cheat(world: World) -> Payload:
        other = make()
        size = min(world.log.size, len(other.log.entries))
        return other.answer("alice", after=1, size=size, now=world.now)

    return cheat


def rebuilt(entries: int) -> MadeDirectory:
    directory = MadeDirectory()
    directory.claim("alice", THIEF)
    for number in range(entries - 1):
        directory.claim(f"nobody-{number}", THIEF)
    return directory


def swapped_and_put_back(directory: MadeDirectory) -> None:
    before = directory.last["alice"]
    changes(directory, TAKEN, by=THIEF)
    changes(directory, {"identity": before.identity})


def takes_recovery(directory: MadeDirectory) -> None:
    changes(directory, {"recovery": THIEF.recovery})


def cut_signatures(world: World, keep: int) -> str:
    lines = world.answer()["proof"]["checkpoint"].split("\n")
    return "\n".join([*lines[:4], lines[keep], ""])


def by_another_key(world: World) -> str:
    text = world.answer()["proof"]["checkpoint"].partition("\n\n")[0] + "\n"
    note = signed(text, world.now, THIEF.recovery_key)
    for kind in (1, 4):
        assert key_id(kind) != key_id(kind, THIEF.recovery_key)
    return note


def logged_again(world: World) -> Payload:
    """Answer with the pinned statement, for which the log has another update since."""
    payload = world.anew(lambda directory: directory.accept(directory.last["alice"], {}, OLD.identity)).answer()
    return payload | {"statements": [payload["statements"][-1] | {"signatures": {}}]}


def old_tree(world: World) -> Payload:
    directory = world.anew(lambda _: None).directory
    directory.log.entries.pop()
    return directory.answer("alice", after=0, size=2, now=world.now)


def with_index_of_bob(world: World) -> Payload:
    return changed("proof", "vrfProof", to=world.directory.proof("bob", 3, world.now)["vrfProof"])(world)


CHEATS: dict[str, Callable[[World], Payload]] = {
    # The answer says something else than its proof.
    "another client ID": changed("clientId", to="bob"),
    "another public key": changed("publicKey", to=THIEF.identity),
    "half of a surrogate pair": changed("publicKey", to="\ud800"),
    "no public key": changed("publicKey", to=None),
    "another directory": changed("directory", to="calls.example.com"),
    "unsigned, with the statements": changed("status", to="unsigned"),
    "unsigned, without": lambda world: world.answer() | {"status": "unsigned", "statements": [], "publicKey": "new"},
    "revoked, with a key": changed("status", to="revoked"),
    "erased, with statements": changed("status", to="erased"),
    "erased, with nothing": lambda world: world.answer() | {"status": "erased", "statements": [], "publicKey": None},
    "a status that is none": changed("status", to="verified"),
    # Fields are left out, after they were there, or are of another type.
    "no directory": without("directory"),
    "no status": without("status"),
    "no statements": without("statements"),
    "no proof": without("proof"),
    "no consistency": without("proof", "consistency"),
    "no leaf": without("proof", "nonInclusionLeaf"),
    "a time that is no number": lambda world: world.answer() | {"releasedAt": "soon"},
    "statements that are null": changed("statements", to=None),
    # Statements are missing, others', or in another order.
    "an empty list": changed("statements", to=[]),
    "the last one left out": with_statements(lambda listed: listed[:-1]),
    "the pinned one left out": with_statements(lambda listed: listed[1:]),
    "the last one twice": with_statements(lambda listed: [*listed, listed[-1]]),
    "another order": with_statements(lambda listed: listed[::-1]),
    "from the first one": lambda world: world.answer(after=-1),
    "33 of them": with_statements(lambda listed: listed + [listed[-1]] * 31),
    "32 as if they were all": with_statements(lambda listed: listed + [listed[-1]] * 30),
    "bob's answer": lambda world: world.answer("bob", -1) | {"clientId": "alice"},
    "the pinned one, with a signature": changed("statements", 0, "signatures", to={"identity": "AA"}),
    "no signature": changed("statements", 1, "signatures", to={}),
    "another's signature": changed("statements", 1, "signatures", to={"identity": THIEF.sign("text")}),
    "a signature too many": changed(
        "statements", 1, "signatures", to=lambda all_: all_ | {"previous": THIEF.sign("text")}
    ),
    "a statement with CRLF": changed("statements", 1, "statement", to=lambda text: text.replace("\n", "\r\n")),
    "an update of bob": lambda world: changed(
        "statements", 1, "update", to=world.answer("bob", -1)["statements"][0]["update"]
    )(world),
    # The log has a lie.
    "an identity that nobody gave": after(lambda directory: changes(directory, TAKEN, by=THIEF)),
    "an identity swapped and put back": after(swapped_and_put_back),
    "another recovery key": after(takes_recovery),
    "a release that its owner signed": after(lambda directory: changes(directory, kind=2)),
    "a kind that is none": after(lambda directory: changes(directory, kind=3)),
    "a seq left out": after(lambda directory: changes(directory, {"seq": 3})),
    "a seq in the log alone": after(lambda directory: changes(directory, seq=3)),
    "another previous": after(lambda directory: changes(directory, {"previous": base64url(bytes(32))})),
    "another directory in it": after(lambda directory: changes(directory, {"directory": "calls.example.com"})),
    "a recovery key of 31 bytes": after(lambda directory: changes(directory, {"recovery": base64url(bytes(31))})),
    "an update of another statement": after(lambda directory: changes(directory, digest=sha256(b"another"))),
    "an update that forgets": after(lambda directory: changes(directory, before=bytes(32))),
    "an update from before": after(lambda directory: changes(directory, at=BEGINNING)),
    "the pinned statement logged again": logged_again,
    # Another log, or another time.
    "an old tree signed now": old_tree,
    "an empty log": lambda world: MadeDirectory().answer("alice", after=1, size=0, now=world.now),
    "a rebuilt log of the same size": with_proof_of(lambda: rebuilt(3)),
    "a rebuilt log that is larger": with_proof_of(lambda: rebuilt(9)),
    "a checkpoint of yesterday": with_checkpoint(lambda world: world.directory.log.checkpoint(world.now - 3700, 6)),
    "a checkpoint of tomorrow": with_checkpoint(lambda world: world.directory.log.checkpoint(world.now + 3700, 6)),
    "a checkpoint by another key": with_checkpoint(by_another_key),
    "a checkpoint without a time": with_checkpoint(lambda world: cut_signatures(world, 4)),
    "a checkpoint with a time alone": with_checkpoint(lambda world: cut_signatures(world, 5)),
    "a checkpoint of an earlier tree": with_checkpoint(lambda world: world.directory.log.checkpoint(world.now, 5)),
    # Other proofs.
    "an entry that is not the last": lambda world: changed(
        "proof", "entry", to=base64url(world.directory.log.entries[4])
    )(world),
    "no inclusion": changed("proof", "inclusion", to=""),
    "no path": changed("proof", "siblings", to=""),
    "a path that is longer than an index": changed("proof", "siblings", to=base64url(bytes(32 * 257))),
    "bob's index": with_index_of_bob,
    "a leaf in place of what is there": changed("proof", "nonInclusionLeaf", to=base64url(bytes(64))),
    "padding": changed("proof", "vrfProof", to=lambda proof: proof + "="),
    "another spelling": changed("proof", "entry", to=lambda entry: entry[:-1] + chr(ord(entry[-1]) + 1)),
}


def is_believed(data: bytes, honest: Payload, world: World, pin: Pin | None) -> bool:
    """Return whether JSON is believed that says something else than the honest answer."""
    try:
        payload = json.loads(data)
    except ValueError:
        return False
    if payload == honest or not isinstance(payload, dict):
        return False
    try:
        check([payload], "alice", world.log, pin, NOW)
    except RefusedError:
        return False
    return True


def changed_bytes(data: bytes, step: int = 1) -> Iterator[bytes]:
    """Yield a text again and again with one byte flipped, or a character of the syntax exchanged or left out."""
    flips = [(position, bytes([byte ^ 1 << position % 7])) for position, byte in enumerate(data)]
    syntax = [position for position, byte in enumerate(data) if byte in b'{}[]":,']
    flips += [(position, other) for position in syntax for other in (b"", b" ", b",", b'"', b"]", b"0")]
    for position, other in flips[::step]:
        yield data[:position] + other + data[position + 1 :]


def honest_answer(world: World, *, is_pinned: bool) -> tuple[Payload, bytes, Pin | None]:
    """Return the honest answer to a client with a pin or without, its JSON, and the pin."""
    honest = world.answer(after=1 if is_pinned else -1)
    return honest, json.dumps(honest, separators=(",", ":")).encode(), world.pin if is_pinned else None
