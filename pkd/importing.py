"""Put the lines of a file into the directory: all of them, or none (docs/decisions.md)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, NamedTuple

from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from pkd import directory
from pkd.decisions import FREEZE, REVOKE, checked_reason
from pkd.lines import ChangeLine, KeyLine
from pkd.models import KeyChange, PublicKey
from pkd.reading import BadLineError, Outcome, Read, read

LINES_A_STEP = 200
PROBLEMS_SHOWN = 100


class Problem(NamedTuple):
    """A bad line of the file, from 1, and what is wrong with it."""

    number: int
    sentence: str


class BadLinesError(Exception):
    """Nothing was imported: how many lines are bad, and the first of them."""

    def __init__(self, count: int, first: list[Problem]) -> None:
        super().__init__(count, first)
        self.count = count
        self.first = first


class DirectoryChangedError(Exception):
    """Nothing was imported, because others wrote meanwhile, or the database could not; it can be tried again."""


class _Problems:
    def __init__(self) -> None:
        self._count = 0
        self._first: list[Problem] = []

    def add(self, number: int, sentence: str) -> None:
        self._count += 1
        if len(self._first) < PROBLEMS_SHOWN:
            self._first.append(Problem(number, sentence))

    def raise_if_any(self) -> None:
        if self._count:
            raise BadLinesError(self._count, self._first)


@dataclass
class Imported:
    """How many clients were new, were replaced or revoked or frozen, or were as the file says already."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True)
class Import:
    """Who imports, why, and whether a client's other key here may be replaced."""

    operator: str
    reason: str
    may_replace: bool = False

    def run(self, file: IO[bytes]) -> Imported:
        """Import every line of `file`, an export or made by hand.

        Raises `BadLinesError`, `DirectoryChangedError`, and `ValueError` without a reason; then nothing changed.
        """
        checked_reason(self.reason)
        # Before the transaction, so that a bad file locks nobody out.
        _check_alone(read(file))
        imported, problems = Imported(), _Problems()
        try:
            with transaction.atomic():
                for lines in _steps(read(file)):
                    self._take(lines, imported, problems)
                problems.raise_if_any()
        except (IntegrityError, OperationalError) as error:
            raise DirectoryChangedError from error
        return imported

    def _take(self, lines: list[Read], imported: Imported, problems: _Problems) -> None:
        names = [read.line.client_id for read in lines if read.line]
        known = {key.client_id: key for key in PublicKey.objects.select_for_update().filter(client_id__in=names)}
        new: list[KeyLine] = []
        for number, line, _ in lines:
            if line is None:
                continue
            if line.client_id not in known:
                new.append(line)
                continue
            try:
                if self._merge(known[line.client_id], line):
                    imported.changed += 1
                else:
                    imported.unchanged += 1
            except BadLineError as error:
                problems.add(number, str(error))
        self._add(new)
        imported.new += len(new)

    def _add(self, lines: list[KeyLine]) -> None:
        """Add clients that are new here, each with the history that the file has of it."""
        keys = PublicKey.objects.bulk_create(map(_row, lines))
        KeyChange.objects.bulk_create(
            change for key, line in zip(keys, lines, strict=True) for change in self._history(key, line)
        )

    def _history(self, key: PublicKey, line: KeyLine) -> Iterator[KeyChange]:
        yield from (_past(key, change) for change in line.history)
        before = key.fingerprint if line.history else ""
        yield self._change(key, KeyChange.Kind.IMPORTED, before, key.fingerprint)
        if not line.history and key.is_revoked:
            yield self._change(key, KeyChange.Kind.REVOKED, key.fingerprint, "")
        if not line.history and key.is_frozen:
            yield self._change(key, KeyChange.Kind.FROZEN, key.fingerprint, key.fingerprint)

    def _merge(self, key: PublicKey, line: KeyLine) -> bool:
        """Bring a known client up to the file; False when there is nothing to do.

        An import never lifts a revocation or a freeze. Raises `BadLineError` for what it may not do.
        """
        is_other = key.fingerprint != (line.fingerprint or "")
        if is_other:
            self._check_replacing(key, line)
            directory.replace(line.public_key or "", self._change(key, KeyChange.Kind.IMPORTED))
        limits = [
            decision
            for decision, is_wanted in ((REVOKE, line.revoked_at), (FREEZE, line.frozen_at))
            if is_wanted and not decision.obstacle(key)
        ]
        earlier = [
            fingerprint
            for fingerprint in sorted(Outcome.of(line.history).revoked - {line.fingerprint or ""})
            if not directory.is_revoked(key, fingerprint)
        ]
        if (limits or earlier) and not is_other and not self.may_replace:
            raise BadLineError("This key is here, but not revoked or frozen as the file says; allow to replace it.")
        for fingerprint in earlier:
            self._change(key, KeyChange.Kind.REVOKED, fingerprint, "").save()
        for decision in limits:
            decision.record(key, self.operator, self.reason)
        return bool(is_other or limits or earlier)

    def _check_replacing(self, key: PublicKey, line: KeyLine) -> None:
        if key.is_frozen:
            raise BadLineError("This client ID is frozen here, and its key is another one; unfreeze it first.")
        if line.public_key is None:
            raise BadLineError("This client ID has a key here, and none in the file; remove the line.")
        if key.fingerprint and not self.may_replace:
            raise BadLineError("This client ID has another key here; allow to replace it, or remove the line.")
        if line.revoked_at is None and directory.is_revoked(key, line.fingerprint or ""):
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


def _check_alone(lines: Iterable[Read]) -> None:
    """Check what can be checked without the directory."""
    problems, seen = _Problems(), dict[str, int]()
    for number, line, problem in lines:
        if line is None:
            problems.add(number, problem)
        elif line.client_id in seen:
            problems.add(number, f"This client ID was on line {seen[line.client_id]} already; keep one of them.")
        else:
            seen[line.client_id] = number
    problems.raise_if_any()
    if not seen:
        problems.add(1, "There is no key in this file; choose an export, or a file like one.")
        problems.raise_if_any()


def _steps(lines: Iterator[Read]) -> Iterator[list[Read]]:
    while step := list(islice(lines, LINES_A_STEP)):
        yield step


def _row(line: KeyLine) -> PublicKey:
    now = timezone.now()
    first_seen = line.first_seen or line.last_change or now
    counted = {KeyChange.Kind.CHANGED, KeyChange.Kind.REVOKED, KeyChange.Kind.LIFTED}
    return PublicKey(
        client_id=line.client_id,
        public_key=line.public_key or "",
        fingerprint=line.fingerprint or "",
        first_seen=first_seen,
        last_change=line.last_change or first_seen,
        changes=sum(change.kind in counted for change in line.history) if line.changes is None else line.changes,
        revoked_at=line.revoked_at,
        frozen_at=line.frozen_at,
    )


def _past(key: PublicKey, change: ChangeLine) -> KeyChange:
    return KeyChange(
        key=key,
        at=change.at,
        kind=change.kind,
        who=change.who,
        old_fingerprint=change.old_fingerprint or "",
        new_fingerprint=change.new_fingerprint or "",
        reason=change.reason,
    )
