"""The health check, and what is answered where no view answers."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.http import require_safe


@require_safe
def health(_request: HttpRequest) -> JsonResponse:
    """Answer exactly `{"status":"ok"}`, without a database (reference, "REST API")."""
    return JsonResponse({"status": "ok"}, json_dumps_params={"separators": (",", ":")})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a script with JSON, and a person with a page."""
    if request.path_info.startswith("/api/"):
        return JsonResponse({"detail": "There is no such path."}, status=404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a script with JSON, and a person with a page; the log has the trace."""
    if request.path_info.startswith("/api/"):
        return JsonResponse({"detail": "The server has a bug, which is in its log."}, status=500)
    return defaults.server_error(request)
