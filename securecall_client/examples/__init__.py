"""Programs that show how the client is used."""
