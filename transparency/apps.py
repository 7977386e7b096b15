"""The AppConfig of this app."""

from django.apps import AppConfig


class PublicRecordConfig(AppConfig):
    """Configures the app."""

    name = "transparency"
    verbose_name = "Public record"
