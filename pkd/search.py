"""Search for keys by client ID or fingerprint, by an index of the database wherever there is one."""

import re
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Left, Upper
from django.db.models.lookups import Exact, StartsWith
from django.db.models.sql.compiler import SQLCompiler

from pkd.models import PublicKey

HELP = (
    "A part of a client ID, or the beginning of a fingerprint. In a large directory what begins so comes alone, where "
    "there is any; *bob finds every “bob”."
)
# From here on reading every client ID takes longer than an operator likes to wait.
LARGE = 100_000
# So many keys are named to the database one by one; where there are more, it soon finds those of a page on its way
# through all of them.
FEW = 10_000
ANYWHERE = "*"


class BeginsWith(StartsWith):
    """Whether a text begins with letters and digits; SQLite finds these by the index, which it does not by LIKE."""

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        """Write it as GLOB, of which letters and digits stand for themselves."""
        left, values = self.process_lhs(compiler, connection)
        return f"{left} GLOB %s", [*values, f"{self.rhs}*"]


def matching(keys: QuerySet[PublicKey], term: str) -> QuerySet[PublicKey]:
    """Keep keys with `term` in their client ID, in any case, or at the beginning of a fingerprint as people copy it.

    In a large directory keep those that begin with it instead, if there are any. Behind a `*` keep those with it in
    their client ID.
    """
    term = term.strip()
    part = term.removeprefix(ANYWHERE)
    if not part:
        return keys
    digits = "" if part != term else _digits(term)
    if not _is_large():
        holds = Q(client_id__icontains=part)
        return keys.filter(holds | Q(BeginsWith(F("fingerprint"), digits)) if digits else holds)
    if part == term and (found := _beginning(keys, term, digits)) is not None:
        return found
    return narrowed(keys.filter(client_id__icontains=part))


def _is_large() -> bool:
    """Return whether there are many keys; none is ever deleted, so that the last one's number says it."""
    return (PublicKey.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) > LARGE


def _digits(term: str) -> str:
    """Return the hex digits of a fingerprint's beginning, as the database has them; "" for anything else."""
    digits = re.sub(r"[\s:]", "", term).lower()
    return digits if re.fullmatch(r"[0-9a-f]+", digits) else ""


def _beginning(keys: QuerySet[PublicKey], term: str, digits: str) -> QuerySet[PublicKey] | None:
    """Keep keys that begin with `term`, by the indexes; None where there is none."""
    begins = Q(client_id__istartswith=term)
    # Not by an index, whose order is not that of a page.
    on_the_way = Q(Exact(Upper(Left("client_id", len(term))), term.upper()))
    if digits:
        begins |= Q(BeginsWith(F("fingerprint"), digits))
        on_the_way |= Q(Exact(Left("fingerprint", len(digits)), digits))
    client_ids = _few(keys.filter(begins))
    if client_ids is None:
        return keys.filter(on_the_way)
    return keys.filter(client_id__in=client_ids) if client_ids else None


def narrowed(keys: QuerySet[PublicKey]) -> QuerySet[PublicKey]:
    """Keep the same keys, by their client IDs where they are few.

    Asked for a page of few keys in the order of their last change, SQLite reads every key in that order.
    """
    client_ids = _few(keys)
    return keys if client_ids is None else keys.filter(client_id__in=client_ids)


def _few(keys: QuerySet[PublicKey]) -> list[str] | None:
    """Return the client IDs of keys; None where they are many."""
    client_ids = list(keys.order_by().values_list("client_id", flat=True)[: FEW + 1])
    return client_ids if len(client_ids) <= FEW else None
