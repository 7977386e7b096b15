"""The rules of the protocol. Pure: no Django, Channels, asyncio, clock or Redis."""
