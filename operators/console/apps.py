"""The AppConfig of this app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Configures the app; its label stays `console`."""

    name = "operators.console"
    verbose_name = "Live"
