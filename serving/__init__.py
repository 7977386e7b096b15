"""Bytes in and out: WebSockets on a wire of our own, HTTP on daphne. Knows nothing of calls.

No attribute with a leading underscore of daphne, Twisted or the `websockets` library is used, and no method of theirs
is patched. One name is used that the library does not export, `websockets.frames.apply_mask`: it is in C where there
is a wheel.
"""
