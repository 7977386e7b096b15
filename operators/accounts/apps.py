"""The AppConfigs of this app and of the admin."""

from django.apps import AppConfig
from django.contrib.admin import apps


class AccountsConfig(AppConfig):
    """Configures the app; its label stays `accounts`."""

    name = "operators.accounts"


class AdminConfig(apps.AdminConfig):
    """Django's admin with our sign-in; stands for `django.contrib.admin` in the settings."""

    default_site = "operators.accounts.site.AdminSite"
