"""The operators' API: what Django REST framework and its OpenAPI schema are configured with."""

from typing import Any

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["operators.api.access.Operator"],
    "DEFAULT_THROTTLE_CLASSES": ["operators.api.access.OperatorThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["operators.api.parsing.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "operators.api.errors.answer",
    # `?format=` would be a parameter of every path.
    "URL_FORMAT_OVERRIDE": None,
}


def schema(version: str) -> dict[str, Any]:
    """Return the settings of the OpenAPI document of this version of the server."""
    return {
        "TITLE": "SecureCall operators' API",
        "DESCRIPTION": "For staff: the public key directory, what runs now, what operators do about both, and "
        'credentials to test a relay with. Every error is `{"detail": "a sentence"}`.',
        "VERSION": version,
        "OAS_VERSION": "3.1.0",
        "SERVE_INCLUDE_SCHEMA": False,
        "SERVE_PERMISSIONS": ["operators.api.access.Operator"],
        "CAMELIZE_NAMES": True,
    }
