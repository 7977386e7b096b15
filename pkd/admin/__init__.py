"""Operators' pages of the directory: every key can be read, none edited, and a key decided about with a reason."""

from pkd.admin.keys import PublicKeyAdmin

__all__ = ["PublicKeyAdmin"]
