"""`manage.py createdevadmin`: create an account for the admin of a development server."""

import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

from operators.accounts import second_factor

USERNAME = "admin"


class Command(BaseCommand):
    """Creates the account, and shows its password that one time."""

    help = "Create an admin account with a random password, if there is no account and DEBUG is on."
    requires_system_checks = ()

    def handle(self, **_: Any) -> None:
        """Create the account if there is none; a deploy's are made by hand, with `createsuperuser`."""
        if not settings.DEBUG or User.objects.exists():
            return
        password = secrets.token_urlsafe(12)
        user = User.objects.create_superuser(USERNAME, password=password)
        self.stdout.write(f"\n  Admin account {USERNAME}, password {password} (shown only this once)")
        if settings.ADMIN_REQUIRE_2FA:
            self.stdout.write(f"\n{second_factor.enrol(user)}")
