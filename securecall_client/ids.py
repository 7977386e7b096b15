"""Client IDs and call IDs that cannot be guessed."""

import secrets


def new_client_id(prefix: str) -> str:
    """Make a client ID of `prefix`, which has up to 38 characters, and 96 random bits."""
    return f"{prefix}-{secrets.token_hex(12)}"


def new_call_id() -> str:
    """Make a call ID of 128 random bits."""
    return secrets.token_urlsafe(16)
