"""Django's handle on this app."""

from django.apps import AppConfig


class DiagnosticsConfig(AppConfig):
    """Registers the app's commands with Django."""

    name = "diagnostics"
