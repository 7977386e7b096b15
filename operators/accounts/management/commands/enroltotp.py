"""`manage.py enroltotp`: replace the second factor of an account that has none, or has lost it."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from operators.accounts import second_factor


class Command(BaseCommand):
    """Makes a secret and backup codes, and shows them once."""

    help = "Give an account a new TOTP secret and new backup codes; the ones before them work no longer."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the argument for the account's name."""
        parser.add_argument("username")

    def handle(self, *, username: str, **_: Any) -> None:
        """Replace the account's second factor, and print the new one."""
        try:
            user = User.objects.get(username=username)
        except User.DoesNotExist:
            raise CommandError(
                f"There is no account {username}. To make one: manage.py createoperator {username}"
            ) from None
        self.stdout.write(str(second_factor.enrol(user)))
