"""Who may connect: origins, addresses and their pseudonyms."""
