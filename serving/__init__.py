"""Bytes in and out: daphne with a graceful stop, WebSocket frames and queues. Knows nothing of calls."""
