"""`manage.py newlogkeys`: make the two private keys of a log."""

import secrets
from typing import Any

from django.core.management.base import BaseCommand

from pkd.keys import base64url
from transparency.vrf import SEED_BYTES


class Command(BaseCommand):
    """Prints a line for each of the two variables, and keeps nothing."""

    help = "Print LOG_KEY and LOG_VRF_KEY for a new log, a line each. Keep them: other keys are another log."
    requires_system_checks = ()

    def handle(self, **_options: Any) -> None:
        """Print the keys."""
        for name in ("LOG_KEY", "LOG_VRF_KEY"):
            self.stdout.write(f"{name}={base64url(secrets.token_bytes(SEED_BYTES))}")
