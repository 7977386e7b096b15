"""Django's handle on this app."""

from django.apps import AppConfig


class TurnConfig(AppConfig):
    """Registers the app with Django."""

    name = "turn"
    verbose_name = "TURN"

    def ready(self) -> None:
        """Import the checks, which registers them."""
        from turn import checks  # noqa: F401, PLC0415  # settings must be complete
