"""The operators' API, for staff alone: the directory, who is online, what operators do, a credential to test with."""
