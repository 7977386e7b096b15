"""The site: settings, URLs, the ASGI application and the server that runs it."""
