"""Bytes in and out: WebSockets on a wire of our own, HTTP on daphne. Knows nothing of calls.

No attribute with a leading underscore of daphne, Twisted or the `websockets` library is used, and no method of theirs is
patched. One name that the library does not export is: `websockets.frames.apply_mask`, as it is in C where there is a wheel.
"""
