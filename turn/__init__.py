"""TURN credentials: minted for a client, valid for a limited time."""
