"""Django's handle on this app."""

from django.apps import AppConfig


class ProbeConfig(AppConfig):
    """Registers the app's commands with Django."""

    name = "diagnostics"
