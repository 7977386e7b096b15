"""The TURN services that this server knows, a file each; TURN_PROVIDER chooses one by its name or its dotted path."""
