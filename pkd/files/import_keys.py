"""Import the lines of a JSON Lines file into the directory: all of them, or none (docs/decisions.md).

The file is parsed twice. The first pass checks every line without the database; it keeps the client IDs, to find a
repeated one. The second pass writes in one transaction, a step of lines at a time: clients that are new here are added
with their history, clients that are known are brought up to the file. A line that may not change its client, which is a
conflict, is bad too, and the transaction is rolled back after the last line if there was one. After a first pass that
found a bad line the second only reads, so that a bad file locks no client out, and finds the conflicts of the others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO

from django.db import IntegrityError, OperationalError, transaction

from pkd import directory
from pkd.decisions import FREEZE, REVOKE, Decision, checked_reason
from pkd.files.parse import BadLineError, Line, parse
from pkd.files.problems import Problems
from pkd.files.records import KeyRecord, Outcome
from pkd.models import Identity, KeyChange, PublicKey

LINES_A_STEP = 200


class DirectoryChangedError(Exception):
    """The file was not imported, as others wrote meanwhile, or the database could not; it can be tried again."""


@dataclass
class Imported:
    """How many clients were new, changed, or here already; and the IDs that belong to a key, which were left alone."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    owned: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Import:
    """An operator's import: its reason, and whether a client's other key here may be replaced."""

    operator: str
    reason: str
    may_replace: bool = False

    def run(self, file: IO[bytes]) -> Imported:
        """Import every line of `file`.

        Raises `BadLinesError`, `DirectoryChangedError`, and `ValueError` without a reason; then nothing changed.
        """
        checked_reason(self.reason)
        if problems := _bad_alone(parse(file)):
            self._add_conflicts(file, problems)
            problems.raise_if_any()
        imported, problems = Imported(), Problems()
        try:
            with transaction.atomic():
                for step in _steps(parse(file)):
                    self._import_step(step, imported, problems)
                problems.raise_if_any()
        except (IntegrityError, OperationalError) as error:
            raise DirectoryChangedError from error
        return imported

    def _add_conflicts(self, file: IO[bytes], problems: Problems) -> None:
        """Add the lines that are good by themselves and may not change their client here; lock and write nothing."""
        for step in _steps(parse(file)):
            records = [(line.number, line.record) for line in step if line.record and line.number not in problems]
            known = PublicKey.objects.filter(client_id__in=[record.client_id for _, record in records], identity=None)
            keys = {key.client_id: key for key in known}
            for number, record in records:
                try:
                    if record.client_id in keys:
                        self._check_merging(keys[record.client_id], record)
                except BadLineError as error:
                    problems.add(number, str(error))

    def _import_step(self, lines: list[Line], imported: Imported, problems: Problems) -> None:
        client_ids = [line.record.client_id for line in lines if line.record]
        known = {key.client_id: key for key in PublicKey.objects.select_for_update().filter(client_id__in=client_ids)}
        # These belong to a key: what is published for them is their owners' to say.
        owned = set(Identity.objects.filter(key__in=known.values()).values_list("key__client_id", flat=True))
        new: list[KeyRecord] = []
        for number, record, _ in lines:
            if record is None:
                continue
            if record.client_id not in known:
                new.append(record)
            elif record.client_id in owned:
                imported.owned.append(record.client_id)
            else:
                try:
                    is_changed = self._merge(known[record.client_id], record)
                    imported.changed += is_changed
                    imported.unchanged += not is_changed
                except BadLineError as error:
                    problems.add(number, str(error))
        self._add(new)
        imported.new += len(new)

    def _add(self, records: list[KeyRecord]) -> None:
        """Add clients that are new here, each with the history that the file has of it."""
        keys = PublicKey.objects.bulk_create(record.to_row() for record in records)
        KeyChange.objects.bulk_create(
            change for key, record in zip(keys, records, strict=True) for change in self._history(key, record)
        )

    def _history(self, key: PublicKey, record: KeyRecord) -> Iterator[KeyChange]:
        yield from (change.to_row(key) for change in record.history)
        before = key.fingerprint if record.history else ""
        yield self._change(key, KeyChange.Kind.IMPORTED, before, key.fingerprint)
        if not record.history and key.is_revoked:
            yield self._change(key, KeyChange.Kind.REVOKED, key.fingerprint, "")
        if not record.history and key.is_frozen:
            yield self._change(key, KeyChange.Kind.FROZEN, key.fingerprint, key.fingerprint)

    def _merge(self, key: PublicKey, record: KeyRecord) -> bool:
        """Bring a known client up to the file; return whether that changed it.

        An import never lifts a revocation or a freeze. Raises `BadLineError` for what it may not do.
        """
        self._check_merging(key, record)
        is_other = _is_other(key, record)
        if is_other:
            directory.replace(record.public_key or "", self._change(key, KeyChange.Kind.IMPORTED))
        limits, earlier = _limits(key, record), _revoked_earlier(key, record)
        for fingerprint in earlier:
            self._change(key, KeyChange.Kind.REVOKED, fingerprint, "").save()
        for decision in limits:
            decision.record(key, self.operator, self.reason)
        return bool(is_other or limits or earlier)

    def _check_merging(self, key: PublicKey, record: KeyRecord) -> None:
        """Raise `BadLineError` for a record that may not change its client, and write nothing."""
        if _is_other(key, record):
            self._check_replacing(key, record)
        elif not self.may_replace and (_limits(key, record) or _revoked_earlier(key, record)):
            raise BadLineError("This key is here, but not revoked or frozen as the file says; allow to replace it.")

    def _check_replacing(self, key: PublicKey, record: KeyRecord) -> None:
        if key.is_frozen:
            raise BadLineError("This client ID is frozen here, and its key is another one; unfreeze it first.")
        if record.public_key is None:
            raise BadLineError("This client ID has a key here, and none in the file; remove the line.")
        if key.fingerprint and not self.may_replace:
            raise BadLineError("This client ID has another key here; allow to replace it, or remove the line.")
        if record.revoked_at is None and directory.is_revoked(key, record.fingerprint or ""):
            raise BadLineError("This key of the client was revoked here; remove the line.")

    def _change(self, key: PublicKey, kind: KeyChange.Kind, before: str = "", after: str = "") -> KeyChange:
        return KeyChange(
            key=key,
            kind=kind,
            who=self.operator,
            old_fingerprint=before,
            new_fingerprint=after,
            reason=checked_reason(self.reason),
        )


def _is_other(key: PublicKey, record: KeyRecord) -> bool:
    return key.fingerprint != (record.fingerprint or "")


def _limits(key: PublicKey, record: KeyRecord) -> list[Decision]:
    """Return what was decided in the file about the client's current key, and not here."""
    wanted = ((REVOKE, record.revoked_at), (FREEZE, record.frozen_at))
    return [decision for decision, is_wanted in wanted if is_wanted and not decision.obstacle(key)]


def _revoked_earlier(key: PublicKey, record: KeyRecord) -> list[str]:
    """Return the fingerprints of the client's other keys that are revoked in the file, and not here."""
    revoked = sorted(Outcome.of(record.history).revoked - {record.fingerprint or ""})
    return [fingerprint for fingerprint in revoked if not directory.is_revoked(key, fingerprint)]


def _bad_alone(lines: Iterable[Line]) -> Problems:
    """Check each line without the directory; return those that are bad by themselves."""
    problems, seen = Problems(), dict[str, int]()
    for number, record, problem in lines:
        if record is None:
            problems.add(number, problem)
        elif record.client_id in seen:
            problems.add(number, f"This client ID was on line {seen[record.client_id]} already; keep one of them.")
        else:
            seen[record.client_id] = number
    if not seen and not problems:
        problems.add(1, "There is no key in this file; choose an export, or a file like one.")
    return problems


def _steps(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while step := list(islice(lines, LINES_A_STEP)):
        yield step
