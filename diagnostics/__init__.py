"""Checks of a server: system checks, and what `doctor`, `smoke` and `loadtest` do."""
