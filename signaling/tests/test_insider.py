"""Somebody with the database changes any column of any row, and the server signs on: somebody outside names it.

The triggers are dropped first, as who owns the database can. A client with a pin and one without, an owner who looks
himself up and registers, and an auditor with the state of his last run judge what the server says from then on; the
same run without a change is in order for each of them.
"""

import json
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, NamedTuple

import msgspec
import pytest
from django.apps import apps
from django.db import DatabaseError, connection, models, transaction
from django.db.models import Field, Model
from django.test import Client
from django.utils import timezone

from auditor.audit import Auditor
from auditor.checkpoint import read as read_checkpoint
from auditor.errors import AuditError
from auditor.keys import NOTE, read_vkey
from auditor.tiles import TileTree
from pkd import identities, release
from pkd.acceptance import Offered, accept
from pkd.directory import store
from pkd.models import PublicKey
from pkd.statements import BadStatementError, Signatures, parse
from securecall_client.ownership import NOTHING, Statement
from securecall_client.transparency import Checked, Log, Pin, RefusedError, check
from securecall_client.transparency.proofs import check_consistent
from signaling.answers import proved
from tests.support.made_directory import MadeDirectory, Owner, successor
from transparency import proofs, tiles
from transparency.guard import Tree
from transparency.keys import LogKeys
from transparency.log import Appender
from transparency.proofs import Question
from transparency.stored import StoppedError
from transparency.tests.logged import MIGRATION, keys

__all__ = ["keys"]

pytestmark = pytest.mark.django_db(transaction=True)

STATEMENTS = import_module("pkd.migrations.0006_statements_stay")
ALICE, PHONE, BOB, CAROL, DAVE = (Owner(name) for name in ("alice 1", "alice 2", "bob", "carol", "dave"))
IDS = ("alice", "bob", "carol", "dave", "eve")
HOUR_MS = 3_600_000

DATES = "a date that operators are shown"
NO_NAME = "nothing refers to it: rows are found by what they say"
HISTORY = "the operators' own history of a client ID, of which nobody outside is told"
# Nobody outside learns of a change of these, and why that is no harm.
MATTERS_NOT = {
    "pkd_identity.changed_at": "processes hear of a change by it, and ask what is so",
    "pkd_identity.last_kind": "told of an erased client ID where there is no log; the log has its own",
    "pkd_identity.owned_since": "how long an owner may cancel a release, which is the operators' decision",
    "pkd_identity.since_seq": "what processes compare connections by; whoever registers signs",
    **{
        f"pkd_keychange.{column}": HISTORY
        for column in ("id", "key_id", "at", "kind", "who", "old_fingerprint", "new_fingerprint", "reason")
    },
    "pkd_publickey.changes": "a count that operators are shown",
    "pkd_publickey.fingerprint": "what operators compare; clients compute their own",
    "pkd_publickey.first_seen": DATES,
    "pkd_publickey.last_change": DATES,
    "pkd_release.decided_at": DATES,
    "pkd_release.id": NO_NAME,
    "pkd_statement.at": "what a day's limit counts by; the log has its own time",
    "pkd_statement.id": "the order in which a log is built anew, which is then another log",
    "pkd_statement.kind": "told where there is no log; the log has its own",
    "transparency_entry.id": NO_NAME,
    "transparency_log.begun_at": DATES,
    "transparency_piece.id": NO_NAME,
}
DAVE_IS_ERASED = "of an erased client ID nothing is told but its last update"
# The same of some rows alone, by their places in their tables.
MATTERS_NOT_HERE = {
    "pkd_identity.erased_at": ({3}, DAVE_IS_ERASED),
    "pkd_identity.id": ({3}, DAVE_IS_ERASED),
    "pkd_identity.identity": ({3}, DAVE_IS_ERASED),
    "pkd_identity.seq": ({3}, DAVE_IS_ERASED),
    "pkd_publickey.frozen_at": ({3, 4}, "of a client ID without an owner; whoever publishes for it is refused"),
    "pkd_publickey.public_key": ({3}, DAVE_IS_ERASED),
    "pkd_publickey.revoked_at": ({3}, DAVE_IS_ERASED),
    "transparency_entry.seq": ({3}, DAVE_IS_ERASED),
}


class Row(NamedTuple):
    """A value in the database."""

    model: type[Model]
    field: "Field[Any, Any]"
    place: int
    pk: int

    @property
    def column(self) -> str:
        return f"{table_of(self.model)}.{self.field.column}"


def options(model: type[Model]) -> Any:
    """Return what Django documents as `Model._meta`."""
    return model._meta  # noqa: SLF001


def table_of(model: type[Model]) -> str:
    return str(options(model).db_table)


def tables() -> list[type[Model]]:
    return [
        model
        for label in ("pkd", "transparency")
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    ]


def columns() -> Iterator[tuple[type[Model], "Field[Any, Any]"]]:
    return ((model, field) for model in tables() for field in options(model).concrete_fields)


def others(field: "Field[Any, Any]", value: Any) -> list[Any]:
    """Return values of a column's type that are others than this one."""
    found: list[Any]
    match field:
        case models.ForeignKey():
            related = field.remote_field.model
            found = list(models.QuerySet(related).exclude(pk=value).values_list("pk", flat=True)[:1])
        case models.AutoField() | models.BigAutoField():
            found = [value + 1000]
        case models.DateTimeField():
            found = [timezone.now() - timedelta(days=1)] if value is None else [value + timedelta(days=1)]
        case models.IntegerField():
            found = [value + 1, value + 1000]
        case models.BinaryField():
            data = bytes(value) or b"\0"
            found = [bytes([data[0] ^ 1]) + data[1:], data[:-1] + bytes([data[-1] ^ 1])]
        case models.CharField() | models.TextField():
            found = [f"{value[:-1]}{'B' if value.endswith('A') else 'A'}"] if value else ["A"]
        case _:
            raise NotImplementedError(f"How is a {type(field).__name__} changed?")
    return [*found, None] if field.null and value is not None else found


def dump() -> dict[str, list[tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        rows = {}
        for model in tables():
            cursor.execute(f"SELECT * FROM {table_of(model)}")  # noqa: S608
            rows[table_of(model)] = cursor.fetchall()
        return rows


def restore(rows: dict[str, list[tuple[Any, ...]]]) -> None:
    """Put every row back; references are looked at when all of them are there."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table in rows:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608
        for table, found in rows.items():
            for row in found:
                places = ", ".join(["%s"] * len(row))
                cursor.execute(f"INSERT INTO {table} VALUES ({places})", row)  # noqa: S608


class Source:
    """The log as the server serves it, for the auditor."""

    def __init__(self, keys: LogKeys) -> None:
        self._keys = keys

    def read(self, path: str) -> bytes | None:
        if path == "checkpoint":
            return proofs.checkpoint(self._keys, None, int(time.time())).checkpoint.encode()
        try:
            response = Client().get(f"/log/{path}")
            return response.content if response.status_code == 200 else None
        finally:
            # The auditor reads in threads that end, each with a connection of its own.
            if current_thread() is not main_thread():
                connection.close()


class World:
    """A directory with every kind of row, what each of its clients kept, and who judges it."""

    def __init__(self, keys: LogKeys, folder: Path) -> None:
        self.keys, self._folder = keys, folder
        self._made = MadeDirectory()
        self._trees: list[Tree] = []
        self._begin()
        self._log = Log(keys.vkey)
        self._pins: dict[str, Pin | None] = {}
        for client_id in IDS:
            checked = self._look_up(client_id, None)
            self._log, self._pins[client_id] = checked.log, checked.pin
        self._audit(folder / "state")
        self._rows = dump()
        # What is told before and after the next statements, if nobody changes a row.
        self._honest = self._heard()
        restore(self._rows)

    def judge(self, row: Row, value: Any) -> str:
        """Change a value and sign on; return who notices, or "" for nobody."""
        restore(self._rows)
        tiles.forget()
        table, column, key = table_of(row.model), row.field.column, options(row.model).pk.column
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                prepared = row.field.get_db_prep_value(value, connection)
                cursor.execute(f"UPDATE {table} SET {column} = %s WHERE {key} = %s", [prepared, row.pk])  # noqa: S608
        except DatabaseError:
            return "the database"
        return self._noticed()

    def rows(self) -> Iterator[tuple[Row, Any]]:
        """Yield each value of each row, with another one."""
        for model, field in columns():
            name = field.attname
            values = list(models.QuerySet(model).order_by("pk").values_list("pk", name))
            for place, (pk, value) in enumerate(values):
                for other in others(field, value):
                    yield Row(model, field, place, pk), other

    def _noticed(self) -> str:
        try:
            heard = self._heard()
            self._extend_all()
            self._audit_all()
        except RefusedError:
            return "a client"
        except AuditError:
            return "the auditor"
        except StoppedError:
            return "the server"
        except Exception as error:  # noqa: BLE001 -- a server that fails signs nothing
            return f"the server, by {type(error).__name__}"
        return "" if heard == self._honest else "the owner"

    def _heard(self) -> list[Any]:
        """Return what is told before and after each owner signs another statement."""
        return [*self._said(), *self._goes_on(), *self._said()]

    def _extend_all(self) -> None:
        """Prove to clients that kept any earlier tree that this one extends it."""
        size, root = proofs.checkpoint(self.keys, None, int(time.time())).tree
        for earlier in self._trees:
            check_consistent(earlier, (size, root), proofs.consistency(self.keys, earlier.size, size))

    def _audit_all(self) -> None:
        """Audit as who has a state of before, as who has none, and as who reads tiles."""
        again, new = self._folder / "again", self._folder / "new"
        shutil.copy(self._folder / "state", again)
        new.unlink(missing_ok=True)
        for state in (again, new):
            self._audit(state)
        source = Source(self.keys)
        note = (source.read("checkpoint") or b"").decode()
        checkpoint = read_checkpoint(note, read_vkey(self.keys.vkey, NOTE))
        TileTree(source, checkpoint.size, checkpoint.root)

    def _said(self) -> list[Any]:
        """Return what clients with a pin, clients without one, and owners are told."""
        told: list[Any] = []
        for client_id in IDS:
            for pin in (self._pins[client_id], None):
                checked = self._look_up(client_id, pin)
                seq = parse(checked.pin.statement).seq if checked.pin else None
                told.append((checked.outcome, checked.status, checked.public_key, checked.released_at, seq))
            owned = identities.owned(client_id)
            # An erased one is closed for everybody, whoever it was of.
            told.append(owned and (owned.is_erased or (owned.identity, owned.is_released)))
        return told

    def _look_up(self, client_id: str, pin: Pin | None) -> Checked:
        now, after = int(time.time()), -1 if pin is None else parse(pin.statement).seq
        answer = proofs.answer(self.keys, None, Question(client_id, after, self._log.size, now))
        payload = json.loads(msgspec.json.encode(proved(client_id, answer)))
        return check([payload], client_id, self._log, pin, now)

    def _audit(self, state: Path) -> None:
        Auditor(Source(self.keys), read_vkey(self.keys.vkey, NOTE), state, None, time.time).run()

    def _begin(self) -> None:
        """Let each kind of row come about: moved, closed and opened, released, erased, and without an owner."""
        for client_id, owner in (("alice", ALICE), ("bob", BOB), ("carol", CAROL), ("dave", DAVE)):
            self._claim(client_id, owner)
        moved = successor(self._made.last["alice"], identity=PHONE.identity)
        signatures = {"identity": PHONE.sign(moved.text), "recovery": ALICE.recover(moved.text)}
        self._grow(moved, signatures, ALICE.identity)
        store("eve", "a key of nobody's")
        release.decide(PublicKey.objects.get(client_id="carol"), "olga", "asked for", to=BOB.identity)
        release.erase(PublicKey.objects.get(client_id="dave"), "olga", "asked for")
        closed = successor(moved, key=NOTHING)
        self._grow(closed, {"identity": PHONE.sign(closed.text)}, None)
        opened = successor(closed, key=moved.key)
        self._grow(opened, {"identity": PHONE.sign(opened.text)}, ALICE.identity)
        bob, carol = (self._made.last[client_id] for client_id in ("bob", "carol"))
        self._next = [(successor(opened), PHONE), (successor(bob), BOB), (successor(carol), CAROL)]
        self._public_keys = {"alice": ALICE.identity, "bob": BOB.identity, "carol": CAROL.identity}

    def _goes_on(self) -> list[str]:
        """Let each owner sign another statement, after which the log is signed anew; return who is refused."""
        refused = []
        for statement, owner in self._next:
            try:
                self._accept(
                    statement, {"identity": owner.sign(statement.text)}, self._public_keys[statement.client_id]
                )
            except BadStatementError:
                refused.append(statement.client_id)
        return refused

    def _claim(self, client_id: str, owner: Owner) -> None:
        self._made.claim(client_id, owner)
        self._grow(*self._made.accepted[-1])

    def _grow(self, statement: Statement, signatures: dict[str, str], public_key: str | None) -> None:
        self._accept(statement, signatures, public_key)
        self._trees.append(proofs.checkpoint(self.keys, None, int(time.time())).tree)

    def _accept(self, statement: Statement, signatures: dict[str, str], public_key: str | None) -> None:
        offered = Offered(public_key, parse(statement.text), Signatures(**signatures), is_registered=True)
        accept(offered, lambda: 0, save=Appender(self.keys, None))


@pytest.fixture
def world(keys: LogKeys, tmp_path: Path) -> Iterator[World]:
    with connection.cursor() as cursor:
        for migration in (MIGRATION, STATEMENTS):
            for step in migration.DROP[connection.vendor]:
                cursor.execute(step)
    yield World(keys, tmp_path)
    with connection.cursor() as cursor:
        for table in map(table_of, reversed(tables())):
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608
        for migration in (STATEMENTS, MIGRATION):
            for step in migration.CREATE[connection.vendor]:
                cursor.execute(step)


def test_every_column_can_be_changed() -> None:
    """A new column of a new type would be left out otherwise."""
    samples: list[tuple[type, Any]] = [(models.DateTimeField, timezone.now()), (models.BinaryField, b"a")]
    samples += [(models.IntegerField, 1), (models.CharField, "a"), (models.TextField, "a")]
    for model, field in columns():
        if not isinstance(field, models.ForeignKey):
            value = next(sample for kind, sample in samples if isinstance(field, kind))
            assert value not in others(field, value), (model, field)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_whoever_changes_a_row_is_noticed(world: World) -> None:
    unnoticed: dict[str, set[int]] = {}
    judged = 0
    # All of them first: each judgement leaves other rows.
    for row, value in list(world.rows()):
        judged += 1
        if not world.judge(row, value):
            unnoticed.setdefault(row.column, set()).add(row.place)
    somewhere = {column: places for column, places in unnoticed.items() if column not in MATTERS_NOT}
    assert somewhere == {column: places for column, (places, _) in MATTERS_NOT_HERE.items()}
    assert unnoticed.keys() >= MATTERS_NOT.keys()
    assert judged > 300
