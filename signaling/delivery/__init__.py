"""How events reach another connection: channel layers, and the connection to Redis."""
