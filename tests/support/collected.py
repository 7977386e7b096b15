"""The site as it is deployed, with its static files: `python -m tests.support.collected` collects them.

They go where COLLECTED says, and not into the project as a deploy's do.
"""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "securecall_site.settings"

from django.conf import settings
from django.core.management import call_command

settings.STATIC_ROOT = os.environ["COLLECTED"]

from securecall_site.asgi import application  # noqa: E402  # reads the setting above

__all__ = ["application"]

if __name__ == "__main__":
    call_command("collectstatic", interactive=False, verbosity=0)
