"""The signaling server: registration, calls and the relay between clients."""
