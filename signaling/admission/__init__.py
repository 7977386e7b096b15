"""The rules for opening handshakes: origins, client addresses and their pseudonyms."""
