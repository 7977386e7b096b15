"""The health check."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def health(_request: HttpRequest) -> JsonResponse:
    """Answer exactly `{"status":"ok"}`, without a database (reference, "REST API")."""
    return JsonResponse({"status": "ok"}, json_dumps_params={"separators": (",", ":")})
