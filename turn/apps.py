"""The AppConfig of this app."""

from django.apps import AppConfig


class TurnConfig(AppConfig):
    """Configures the app."""

    name = "turn"
    verbose_name = "TURN"

    def ready(self) -> None:
        """Import the checks, which registers them."""
        from turn import checks  # noqa: F401, PLC0415  # settings must be complete
