"""The clients that are online, the open calls and the held messages: a contract, kept in memory or in Redis."""
