"""One process among the others: its rounds, its snapshot, and roll calls."""
