"""`loadtest` connects many clients and lets pairs of them call."""
