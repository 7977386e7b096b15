"""TURN credentials: minted for a client, good for a limited time."""
