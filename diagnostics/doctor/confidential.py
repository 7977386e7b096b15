"""Remove secrets and passwords from what is printed, errors' texts included."""

from urllib.parse import unquote, urlsplit

from django.conf import settings

PLACEHOLDER = "***"


def without_secrets(text: str) -> str:
    """The text with every secret of the settings replaced."""
    # Longest first: one may be a part of another.
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, PLACEHOLDER)
    return text


def _secrets() -> set[str]:
    passwords = {urlsplit(url).password or "" for url in (settings.DATABASE_URL, settings.REDIS_URL)}
    found = {settings.SECRET_KEY, settings.LOG_KEY, settings.LOG_VRF_KEY, *settings.TURN.secrets, *passwords}
    found |= set(map(unquote, passwords))
    return {secret for secret in found if secret}
