"""`manage.py createoperator`: create an account for the admin."""

import getpass
import secrets
import sys
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, transaction

from operators.accounts import second_factor

OPERATOR, VIEWER = "operator", "viewer"
# 120 random bits.
GENERATED_PASSWORD_BYTES = 15
ATTEMPTS = 3


class Command(BaseCommand):
    """Creates the account with its group, its password and its second factor, or nothing at all."""

    help = (
        "Create an account that may sign in to the admin, in the group operator (or viewer). "
        "The password is asked for or generated; it is never taken from the command line, which others can see."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments; none is a secret."""
        parser.add_argument("username")
        parser.add_argument("--viewer", action="store_true", help="may look, but not revoke, end or disconnect")
        parser.add_argument("--generate-password", action="store_true", help="make a password and show it once")
        parser.add_argument(
            "--totp",
            action="store_true",
            help="show a QR code for a TOTP app, and backup codes (with ADMIN_REQUIRE_2FA: always)",
        )

    def handle(self, *, username: str, viewer: bool, generate_password: bool, totp: bool, **_: Any) -> None:
        """Check everything, then create the account."""
        try:
            user = self._new_user(username)
            group = _group(VIEWER if viewer else OPERATOR)
            password = secrets.token_urlsafe(GENERATED_PASSWORD_BYTES) if generate_password else self._ask(user)
            user.set_password(password)
            with transaction.atomic():
                user.save()
                user.groups.add(group)
                enrolment = second_factor.enrol(user) if totp or settings.ADMIN_REQUIRE_2FA else None
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be used ({error}). Is it there, and did you run: manage.py migrate"
            ) from error
        self.stdout.write(f"Created {username} in the group {group.name}.")
        if generate_password:
            self.stdout.write(f"Password (shown only this once): {password}")
        if enrolment is not None:
            self.stdout.write(f"\n{enrolment}")
            if not settings.ADMIN_REQUIRE_2FA:
                self.stdout.write("\nThe admin asks for a code once ADMIN_REQUIRE_2FA is 1.")

    def _new_user(self, username: str) -> User:
        user = User(username=username, is_staff=True)
        try:
            # Before the database sees it: Postgres refuses a NUL in its own words.
            user.clean_fields(exclude=["password"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        if User.objects.filter(username=username).exists():
            raise CommandError(
                f"There is an account {username} already. For another password: manage.py changepassword {username}. "
                f"For another second factor: manage.py enroltotp {username}."
            )
        return user

    def _ask(self, user: User) -> str:
        if not sys.stdin.isatty():
            raise CommandError("There is no terminal to ask for a password. Add --generate-password.")
        for _ in range(ATTEMPTS):
            password = _typed("Password: ")
            try:
                validate_password(password, user)
            except ValidationError as error:
                self.stderr.write("\n".join(error.messages))
                continue
            if password == _typed("Password, again: "):
                return password
            self.stderr.write("These were not the same.")
        raise CommandError("No account was created. Try again, or add --generate-password.")


def _typed(prompt: str) -> str:
    try:
        return getpass.getpass(prompt)
    except (EOFError, KeyboardInterrupt):
        raise CommandError("No account was created.") from None


def _group(name: str) -> Group:
    try:
        return Group.objects.get(name=name)
    except Group.DoesNotExist:
        raise CommandError(f"There is no group {name}. Run first: manage.py migrate") from None
