"""The AppConfig of this app."""

from django.apps import AppConfig


class PublicKeyDirectoryConfig(AppConfig):
    """Configures the app."""

    name = "pkd"
    verbose_name = "Public key directory"
