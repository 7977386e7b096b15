"""The operators' console: a dashboard, the connected clients and the open calls."""
