#!/usr/bin/env python
"""Django's command line for this project."""

import os
import secrets
import sys

from django.core.management import execute_from_command_line

# They talk to a server that runs elsewhere, and sign nothing.
NEEDS_NO_KEY = {"smoke", "loadtest"}

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "securecall_site.settings")
    if NEEDS_NO_KEY.intersection(sys.argv[1:2]):
        os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(50))
    execute_from_command_line(sys.argv)
