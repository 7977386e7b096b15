"""The site in development, but for its files: a browser keeps them, as those of a deploy, which is most of a page."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "securecall_site.settings"

from django.test import override_settings

# Nobody changes a file meanwhile, so each is looked for once; and none was collected.
override_settings(WHITENOISE_MAX_AGE=3600, WHITENOISE_AUTOREFRESH=False, STATIC_ROOT=None).enable()

from securecall_site.asgi import application  # noqa: E402  # reads the settings above

__all__ = ["application"]
