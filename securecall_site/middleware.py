"""What HTTP requests pass before a view."""

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.middleware import common


class CommonMiddleware(common.CommonMiddleware):
    """Django's, which refuses unknown hosts; a platform's health check comes with a host of its own."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        """Let the health check through whatever its Host header says."""
        if request.path_info == "/health":
            return None
        return super().process_request(request)
