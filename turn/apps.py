"""Django's handle on this app."""

from django.apps import AppConfig


class TurnConfig(AppConfig):
    """Registers the app with Django."""

    name = "turn"
    verbose_name = "TURN"
