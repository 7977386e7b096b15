"""Operators' accounts: making them, signing in with them, and locking out addresses that fail to."""
