"""Checks of what a directory says of a client ID, against the server's public log; needs the package `cryptography`.

`check` verifies an answer to `PKD_LOOKUP` in the order of its docstring. Nothing here does I/O or reads a clock: the
application keeps `Log` for each server and `Pin` for each peer, and passes them in.
"""

from securecall_client.refusal import OtherLogError, RefusedError
from securecall_client.transparency.chain import Pin
from securecall_client.transparency.check import Checked, Evidence, Log, Outcome, after_next, check

__all__ = ["Checked", "Evidence", "Log", "OtherLogError", "Outcome", "Pin", "RefusedError", "after_next", "check"]
