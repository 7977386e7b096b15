"""The second factor: a TOTP app (RFC 6238) and backup codes, kept and checked by django-otp."""

import io
from dataclasses import dataclass
from typing import Any

import django_otp
import segno
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

BACKUP_CODES = 10
TOTP_DIGITS = 6


@dataclass(frozen=True)
class Enrolment:
    """A new second factor, shown to its owner once: the `otpauth://` URI for the app, and the backup codes."""

    uri: str
    backup_codes: tuple[str, ...]

    def __str__(self) -> str:
        picture = io.StringIO()
        segno.make_qr(self.uri).terminal(picture, compact=True)
        return (
            "Scan this with a TOTP app, or type the secret in it:\n\n"
            f"{picture.getvalue()}\n{self.uri}\n\n"
            "Backup codes, each good for one sign-in without the app; keep them apart from it:\n\n"
            + "\n".join(f"  {code}" for code in self.backup_codes)
        )


def enrol(user: User) -> Enrolment:
    """Replace the account's second factor and its backup codes, and return the new ones."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        app = TOTPDevice.objects.create(user=user, name="TOTP app", digits=TOTP_DIGITS)
        backup = StaticDevice.objects.create(user=user, name="Backup codes")
        codes = tuple(StaticToken.random_token() for _ in range(BACKUP_CODES))
        backup.token_set.bulk_create(StaticToken(device=backup, token=code) for code in codes)
    return Enrolment(app.config_url, codes)


def is_enrolled(user: User) -> bool:
    """Return whether the account has a second factor."""
    return bool(django_otp.user_has_device(user))


def verify(user: User, code: str) -> Any:
    """Return the device that accepts the code, or None; of two uses of a code at once only one counts.

    A code of six digits is the app's, everything else a backup code, so that a mistake with one does not slow
    the other down: each device waits twice as long after every failure.
    """
    is_totp = len(code) == TOTP_DIGITS and code.isascii() and code.isdigit()
    devices = (TOTPDevice if is_totp else StaticDevice).objects.devices_for_user(user, confirmed=True)
    return next((device for device in devices if django_otp.verify_token(user, device.persistent_id, code)), None)


def suffices(user: Any) -> bool:
    """Return whether the user proved all that the settings ask for, as django-otp's middleware found."""
    return not settings.ADMIN_REQUIRE_2FA or bool(user.is_verified())
