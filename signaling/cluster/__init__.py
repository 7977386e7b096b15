"""One process among the others: its rounds, its snapshot, roll calls, and what follows a connect to Redis."""
