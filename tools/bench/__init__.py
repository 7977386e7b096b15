"""Measures what a relayed message, a connection and a heartbeat cost, here and elsewhere."""
