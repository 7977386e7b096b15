"""A server for the phones of one network."""
