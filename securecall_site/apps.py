"""Django's handle on the site itself."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Registers the site's system checks and commands with Django."""

    name = "securecall_site"

    def ready(self) -> None:
        """Import the checks, which registers them."""
        from diagnostics import checks  # noqa: F401, PLC0415  # settings must be complete
