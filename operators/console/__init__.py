"""The operators' console: what the server does, who is connected, which calls are open."""
