"""Checks of a server: system checks, `doctor`, `smoke` and `loadtest`."""
