"""The delivery of events to other connections: channel layers, and the connection to Redis."""
