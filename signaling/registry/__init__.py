"""Who is online, which calls exist and what is held: a contract, kept in memory or in Redis."""
