"""Django's handle on this app."""

from django.apps import AppConfig


class PublicKeyDirectoryConfig(AppConfig):
    """Registers the app with Django."""

    name = "pkd"
    verbose_name = "Public key directory"
