"""Clients of a server that runs somewhere: the whole reference flow, and a load. All they know of it is its URL."""
