"""Operators' accounts: how they are made, how people sign in, and who is turned away for a while."""
