"""Bans of client IDs and networks: what operators decided, and the table that each process keeps of it."""
