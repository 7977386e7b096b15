"""The rows that a statement meets, behind a lock: of two statements about one client ID the second waits."""

from typing import NamedTuple

from django.utils import timezone

from pkd import sql
from pkd.identities import token_of
from pkd.models import Identity, PublicKey, Release
from pkd.statements import BadStatementError, Statement, parse

KEY = "SELECT * FROM pkd_publickey WHERE client_id = %s"
IDENTITY = "SELECT * FROM pkd_identity WHERE key_id = %s"
RELEASE = "SELECT * FROM pkd_release WHERE key_id = %s"
TEXT = "SELECT text FROM pkd_statement WHERE identity_id = %s AND seq = %s"


class Before(NamedTuple):
    """The rows that a statement meets: the locked key, the owner, a release, and the last statement's text."""

    key: PublicKey
    identity: Identity | None = None
    release: Release | None = None
    last: str = ""
    is_new: bool = False  # the key's row was made for this statement: nothing else is of it

    @property
    def token(self) -> str:
        """Return the token of the owner; "" without one."""
        return "" if self.identity is None else token_of(self.identity.identity, self.identity.since_seq)

    @property
    def statement(self) -> Statement | None:
        """Return the last statement, if there is one."""
        return parse(self.last) if self.last else None


def lock(client_id: str) -> Before:
    """Lock the row of a client ID's key until the commit, made where there is none, and read what stands beside it.

    Raises `BadStatementError` for an erased client ID.
    """
    # One row a client ID, also without a key: one lock decides.
    key = next(iter(PublicKey.objects.raw(sql.locking(KEY), [client_id])), None)
    if key is None:
        now = timezone.now()
        key, is_new = PublicKey.objects.select_for_update().get_or_create(
            client_id=client_id, defaults={"first_seen": now, "last_change": now}
        )
        if is_new:
            return Before(key, is_new=True)
    # Behind the lock: what is read beside a row that is waited for may be older than it.
    release = next(iter(Release.objects.raw(RELEASE, [key.pk])), None)
    identity = next(iter(Identity.objects.raw(IDENTITY, [key.pk])), None)
    if identity is None:
        return Before(key, release=release)
    if identity.erased_at is not None:
        raise BadStatementError("This client ID was erased and is closed; use another one.")
    identity.key = key
    ((text,),) = sql.rows(TEXT, identity.pk, identity.seq)
    return Before(key, identity, release, str(text))
