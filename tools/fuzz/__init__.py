"""Hostile input: what a client could send, made by grammars, and what the server has to do about it."""
