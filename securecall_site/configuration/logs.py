"""Which log records are written, and in which form."""

from typing import Any


def configuration(*, is_debug: bool) -> dict[str, Any]:
    """Return the configuration of `logging`: plain lines for a developer, one JSON object a line otherwise."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "format": "{asctime}{levelname}{name}{message}",
                "style": "{",
                "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            },
            "plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        },
        "handlers": {
            "stderr": {"class": "securecall_site.log_writer.LogWriter", "formatter": "plain" if is_debug else "json"},
            "nowhere": {"class": "logging.NullHandler"},
        },
        "filters": {
            "without_path": {"()": "securecall_site.logs.WithoutPath"},
            "without_clients": {"()": "securecall_site.logs.WithoutClients"},
        },
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.request": {"filters": ["without_path"]},
            # Refusals of what clients sent, with its words: a Host that may be an address, a path, a form without its
            # token. As many as strangers like, and nothing of the server's is wrong.
            "django.security": {"handlers": ["nowhere"], "propagate": False},
            # Says a failure in two lines, of which this keeps the one that counts.
            "axes": {"level": "WARNING"},
            "daphne": {"level": "WARNING"},
            # Names the relay's and the client's addresses below that.
            "aioice": {"level": "WARNING"},
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.error": {"filters": ["without_clients"], "propagate": True},
            # Holds addresses.
            "uvicorn.access": {"handlers": ["nowhere"], "propagate": False},
        },
    }
