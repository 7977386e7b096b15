"""Django's handle on this app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Registers the app with Django."""

    name = "operators.console"
    verbose_name = "Live"
