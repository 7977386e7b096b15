"""Middleware for HTTP requests."""

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.middleware import common


class CommonMiddleware(common.CommonMiddleware):
    """Django's, which refuses unknown hosts; health checks and scrapes come with hosts of their own."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        """Let what no browser asks for through whatever its Host header says."""
        if request.path_info in {"/health", "/metrics", "/seen"}:
            return None
        return super().process_request(request)
