"""A directory of a real size in Postgres, with its log: the rows that so many statements would have left.

Statements, signatures and indexes are the server's own, the roots in the entries the auditor's. They are made in bulk,
as so many transactions would take a day. Of those whom nobody looks up the index and the signature are made up, which a
log cannot tell: each would cost as much as all the rest of its rows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import psycopg

from auditor.prefix_tree import Leaf, PrefixTree
from pkd.statement_rules import Kind
from pkd.tests.owners import Identity, first
from tools.faults import bulk
from transparency import merkle, prefix_tree
from transparency.entry import NOTHING, Entry, Update
from transparency.keys import LogKeys
from transparency.merkle import Node

OWNER = Identity("owner")
AT_ONCE = 2000
COLUMNS = {
    "pkd_publickey": "id client_id public_key fingerprint first_seen last_change changes",
    "pkd_keychange": "id key_id at kind who old_fingerprint new_fingerprint reason",
    "pkd_identity": "id key_id identity seq since_seq last_kind owned_since changed_at",
    "pkd_statement": "id identity_id seq kind at text by_identity by_previous by_recovery",
    "transparency_log": "id vkey begun_at",
    "transparency_entry": "id log_id number index seq data hashes",
    "transparency_piece": "id log_id name content",
}
LOG_ID = 1

Rows = dict[str, list[str]]


class Seeds(NamedTuple):
    """The seeds of a log's two keys, and the name of its directory."""

    directory: str
    log: bytes
    vrf: bytes

    @property
    def keys(self) -> LogKeys:
        """Make the keys."""
        return LogKeys(self.directory, self.log, self.vrf)


def id_of(number: int) -> str:
    """Return the client ID of a member of the directory."""
    return f"member-{number}"


def fill(url: str, seeds: Seeds, size: int, known_every: int = 1) -> None:
    """Write a directory of `size` client IDs, each with its first statement, into an empty, migrated database.

    One in `known_every` can be looked up.
    """
    began = datetime.now(UTC) - timedelta(days=1)
    log, leaves = _Growing(), []
    with psycopg.connect(url, autocommit=True) as connection:
        # Rows refer to each other as they have to; nothing looks at each once more.
        connection.execute("SET session_replication_role = replica")
        bulk.copy(connection, COLUMNS, {"transparency_log": [bulk.line(LOG_ID, seeds.keys.vkey, began)]})
        for start in range(0, size, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, size))
            rows, statements = _members(seeds, began, numbers, known_every)
            rows["transparency_entry"] = []
            for number, (index, statement) in zip(numbers, statements, strict=True):
                line, leaf = log.append(number, _ms(began, number), index, statement)
                rows["transparency_entry"].append(line)
                leaves.append(leaf)
            bulk.copy(connection, COLUMNS, rows)
        pieces = prefix_tree.pieces_of(sorted(leaves))
        lines = [bulk.line(number, LOG_ID, name, content) for number, (name, content) in enumerate(pieces.items(), 1)]
        bulk.copy(connection, COLUMNS, {"transparency_piece": lines})
        bulk.end(connection, COLUMNS)
    if prefix_tree.root(lambda names: {name: pieces[name] for name in names}) != log.root:
        raise RuntimeError("The pieces of the prefix tree do not give the root in the last entry.")


class _Growing:
    """The trees of a log that nobody else appends to."""

    def __init__(self) -> None:
        self.root = prefix_tree.EMPTY
        self._tree = PrefixTree()
        self._peaks: dict[Node, bytes] = {}

    def append(self, number: int, at_ms: int, index: bytes, statement: bytes) -> tuple[str, bytes]:
        """Return the row of the next entry, and its leaf of the prefix tree."""
        update = Update(Kind.BY_OWNER, 0, at_ms, index, NOTHING, statement)
        self.root = self._tree.put(index, Leaf(update.digest, 0))
        data = Entry(update, self.root).encoded
        hashes = merkle.completed_by(number, merkle.leaf_hash(data), self._take)
        level = len(hashes) - 1
        self._peaks[Node(level, number >> level)] = hashes[-1]
        return bulk.line(number + 1, LOG_ID, number, index, 0, data, b"".join(hashes)), index + update.digest

    def _take(self, nodes: Sequence[Node]) -> list[bytes]:
        return [self._peaks.pop(node) for node in nodes]


def _members(seeds: Seeds, began: datetime, numbers: range, known_every: int) -> tuple[Rows, list[tuple[bytes, bytes]]]:
    """Return the rows of some client IDs, and the index and the digest of the statement of each."""
    public, keys = OWNER.public, seeds.keys
    template, fingerprint = first(OWNER, directory=seeds.directory), sha256(public.encode()).hexdigest()
    rows: Rows = {name: [] for name in ("pkd_publickey", "pkd_keychange", "pkd_identity", "pkd_statement")}
    statements = []
    for number in numbers:
        client_id, at, row = id_of(number), began + timedelta(milliseconds=number), number + 1
        text, is_known = template._replace(client_id=client_id).text, number % known_every == 0
        signature = OWNER.sign(text) if is_known else "A" * 86
        rows["pkd_publickey"].append(bulk.line(row, client_id, public, fingerprint, at, at, 0))
        rows["pkd_keychange"].append(bulk.line(row, row, at, "published", "client", "", fingerprint, ""))
        rows["pkd_identity"].append(bulk.line(row, row, public, 0, 0, Kind.BY_OWNER.value, at, at))
        rows["pkd_statement"].append(bulk.line(row, row, 0, Kind.BY_OWNER.value, at, text, signature, "", ""))
        index = keys.index_of(client_id) if is_known else sha256(client_id.encode()).digest()
        statements.append((index, sha256(text.encode()).digest()))
    return rows, statements


def _ms(began: datetime, number: int) -> int:
    return round((began + timedelta(milliseconds=number)).timestamp() * 1000)
