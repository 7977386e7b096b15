"""The health check, which is plain HTTP beside the WebSocket."""

import json

from diagnostics.failures import ProbeError
from diagnostics.plain_http import beside, get

HEALTHY = {"status": "ok"}


def check_health(url: str, seconds: float) -> None:
    """Ask for the health of the server at `url`; raises `ProbeError` unless it is well. Blocks."""
    address = beside(url, "/health")
    if not _is_healthy(get(address, url, seconds)):
        raise ProbeError(f'{address} did not answer {{"status":"ok"}}: is this a SecureCall server?')


def _is_healthy(answer: bytes) -> bool:
    try:
        return bool(json.loads(answer) == HEALTHY)
    except ValueError:
        return False
