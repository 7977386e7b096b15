"""`manage.py checklog`: compute the log anew, and compare it with the database and the guard."""

import asyncio
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from diagnostics.doctor.redis import RefusedError
from securecall_site import log_guard
from transparency.check import check
from transparency.keys import current


class Command(BaseCommand):
    """Prints a sentence for everything that is wrong; the exit status is 0 when nothing is."""

    help = "Compute the log anew from its entries, and compare it with the database, the statements and the guard."

    def handle(self, **_options: Any) -> None:
        """Check the log; exits with 1 when something is wrong."""
        keys = current()
        if keys is None:
            raise CommandError("There is no log: set LOG_KEY and LOG_VRF_KEY, which manage.py newlogkeys makes.")
        try:
            kept = asyncio.run(log_guard.read(keys.vkey))
        except (OSError, RefusedError) as error:
            raise CommandError(f"The guard does not answer: {str(error).rstrip('.')}.") from None
        is_well = True
        for sentence in check(keys, kept):
            is_well = False
            self.stdout.write(sentence)
        if not is_well:
            sys.exit(1)
        self.stdout.write(f"The log is as it should be. The guard has {0 if kept is None else kept.size} entries.")
