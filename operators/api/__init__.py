"""The operators' API, for staff alone: the directory, who is online, a credential to test a relay with."""
