"""Bytes in and out: WebSockets on a wire of our own, HTTP on daphne. Knows nothing of calls.

No private attribute of daphne, Twisted or the `websockets` library is used, and no method of theirs is patched.
"""
