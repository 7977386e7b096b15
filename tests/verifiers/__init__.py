"""Verifiers of transparency logs that others wrote, each behind a small program that reads cases."""
