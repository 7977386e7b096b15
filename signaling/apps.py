"""Django's handle on this app."""

from django.apps import AppConfig


class SignalingConfig(AppConfig):
    """Registers the app with Django."""

    name = "signaling"
    verbose_name = "Signaling"
