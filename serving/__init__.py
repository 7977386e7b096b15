"""Bytes in and out: WebSocket frames, queues and HTTP requests on daphne. Knows nothing of calls."""
