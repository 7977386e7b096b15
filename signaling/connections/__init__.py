"""One connection: its states, its queues and the relay to its peers."""
