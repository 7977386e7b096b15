"""The configuration of this app."""

from django.apps import AppConfig


class SignalingConfig(AppConfig):
    """The signaling server as a Django app."""

    name = "signaling"
    verbose_name = "Signaling"

    def ready(self) -> None:
        """Import the system checks, which registers them."""
        from signaling import checks  # noqa: F401, PLC0415  # settings must be complete
