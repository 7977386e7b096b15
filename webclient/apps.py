"""Django's handle on the browser client."""

from django.apps import AppConfig


class WebclientConfig(AppConfig):
    """Brings the library's static files and the page's template."""

    name = "webclient"
