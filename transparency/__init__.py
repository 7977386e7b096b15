"""The public log of who owns which client ID: what is appended, what is proved, and what strangers check."""
