"""The part of a key's page that says to whom the client ID belongs, and its statements in words."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from pkd import statements
from pkd.admin.filters import ChoiceFilter
from pkd.models import NEWEST_CHANGES_SHOWN, Identity, PublicKey, Release, Statement
from pkd.statement_rules import Kind
from pkd.statements import NOTHING

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[PublicKey]
else:
    # Only the type stubs know it as generic.
    ModelAdmin = admin.ModelAdmin


class OwnedFilter(ChoiceFilter):
    """Keeps client IDs that belong to a key, those that were erased, or the others."""

    title = "belongs to a key"
    parameter_name = "owned"
    choices_by_value: ClassVar = {
        "no": ("No", Q(identity=None)),
        "yes": ("Yes", Q(identity__isnull=False, identity__erased_at=None)),
        "erased": ("Erased", Q(identity__erased_at__isnull=False)),
    }


class ReleaseFilter(admin.SimpleListFilter):
    """Keeps client IDs whose release is pending, or in effect."""

    title = "release"
    parameter_name = "release"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Return each choice and its label."""
        return [("pending", "Pending"), ("effect", "In effect")]

    def queryset(self, _request: HttpRequest, keys: Any) -> Any:
        """Keep the keys that meet the choice's condition."""
        now = timezone.now()
        if self.value() == "pending":
            return keys.filter(release__takes_effect_at__gt=now)
        return keys.filter(release__takes_effect_at__lte=now) if self.value() == "effect" else keys


class OwnershipFields(ModelAdmin):
    """Adds what is read of an owner to the directory's ModelAdmin; nothing is edited there."""

    @admin.display(description="belongs to a key since (UTC)")
    def owned_since(self, key: PublicKey) -> str:
        """Return since when the client ID belongs to its owner; none of one that belongs to no key."""
        identity = Identity.objects.filter(key=key).first()
        if identity is None:
            return "-"
        return "erased" if identity.erased_at is not None else _moment(identity.owned_since)

    @admin.display(description="recovery code")
    def recovery_code(self, key: PublicKey) -> str:
        """Return whether the owner can restore the client ID with a recovery code."""
        last = Statement.objects.filter(identity__key=key).order_by("-seq").first()
        if last is None:
            return "-"
        return "no" if statements.parse(last.text).recovery == NOTHING else "yes"

    @admin.display(description="release")
    def release_state(self, key: PublicKey) -> str:
        """Return when a release takes effect, or took."""
        release = Release.objects.filter(key=key).first()
        if release is None:
            return "-"
        verb = "pending, takes effect" if release.takes_effect_at > timezone.now() else "in effect since"
        whom = "the named key alone" if release.to else "anybody"
        return f"{verb} {_moment(release.takes_effect_at)} UTC, for {whom}"

    @admin.display(description="statements")
    def statements_in_words(self, key: PublicKey) -> SafeString | str:
        """Return the newest statements, each as a sentence, the newest first."""
        rows = list(Statement.objects.filter(identity__key=key).order_by("-seq")[: NEWEST_CHANGES_SHOWN + 1])
        pairs = zip(rows, [*rows[1:], None], strict=True)
        lines = [(_moment(row.at), in_words(row, before)) for row, before in pairs][:NEWEST_CHANGES_SHOWN]
        return format_html_join("", "<div>{} UTC: {}</div>", lines) or "-"


def in_words(row: Statement, before: Statement | None) -> str:
    """Say what a statement changed, and who signed for it."""
    statement = statements.parse(row.text)
    if before is None:
        code = "without" if statement.recovery == NOTHING else "with"
        return f"made the client ID its own, {code} a recovery code."
    previous = statements.parse(before.text)
    if row.kind == Kind.AFTER_RELEASE:
        return "took the client ID after a release, signed by the new key alone."
    changes = []
    if statement.identity != previous.identity:
        signer = "the recovery code" if row.by_recovery else "the old key"
        changes.append(f"moved to another key, signed by {signer}")
    if statement.recovery != previous.recovery:
        changes.append(_recovery_change(statement.recovery, previous.recovery))
    if statement.key != previous.key:
        changes.append("withdrew the public key" if statement.key == NOTHING else "published another public key")
    return f"{'; '.join(changes) or 'said the same again'}."


def _recovery_change(recovery: str, previous: str) -> str:
    if previous == NOTHING:
        return "made a recovery code"
    return "removed the recovery code" if recovery == NOTHING else "made another recovery code"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
