"""Django's handle on this app."""

from django.apps import AppConfig


class SignalingConfig(AppConfig):
    """Registers the app with Django."""

    name = "signaling"
    verbose_name = "Signaling"

    def ready(self) -> None:
        """Import the checks, which registers them."""
        from signaling import checks  # noqa: F401, PLC0415  # settings must be complete
