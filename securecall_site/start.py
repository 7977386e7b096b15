"""The start command of a deploy: `python -m securecall_site.start` migrates, then becomes the server.

One process from the first to the last: a shell that waited for `migrate` would keep SIGTERM from it.
"""

import os
import sys

import django
from django.core.management import call_command

from securecall_site.termination import ended_by_sigterm, hold_sigterm_back


def main(arguments: list[str]) -> None:
    """Migrate, then run the server with these arguments in place of this program."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "securecall_site.settings")
    with ended_by_sigterm():
        django.setup()
        # The server runs the system checks and says what they find, once.
        call_command("migrate", interactive=False, skip_checks=True)
        hold_sigterm_back()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "securecall_site.server", *arguments])  # noqa: S606  # no shell


if __name__ == "__main__":
    main(sys.argv[1:])
