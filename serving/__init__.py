"""Bytes in and out: WebSockets on a wire of our own, HTTP on daphne. Knows nothing of calls.

No attribute with a leading underscore of daphne, Twisted or the `websockets` library is used, and no method of theirs
is patched. Two names are used that the library does not document: `websockets.frames.apply_mask`, which is in C where
there is a wheel, and `ServerProtocol.parser`, which is closed so that a protocol is freed without the collector.
"""
