"""The public key directory: each client's current key and every change to it."""
