"""`manage.py buildlog`: append the statements that were accepted without the log."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from transparency.build import build
from transparency.keys import current
from transparency.stored import StoppedError


class Command(BaseCommand):
    """Appends what the log lacks; run again, it appends nothing."""

    help = "Append to the log the statements that it lacks, as after LOG_KEY was set. Statements wait meanwhile."

    def handle(self, **_options: Any) -> None:
        """Build the log."""
        keys = current()
        if keys is None:
            raise CommandError("There is no log: set LOG_KEY and LOG_VRF_KEY, which manage.py newlogkeys makes.")
        try:
            appended, size = build(keys)
        except StoppedError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Appended {appended}; the log has {size} entries.\n{keys.vkey}")
