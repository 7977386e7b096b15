"""The AppConfig of this app."""

from django.apps import AppConfig


class BansConfig(AppConfig):
    """Configures the app."""

    name = "bans"
    verbose_name = "Bans"
