"""One process that serves: its start, its ASGI application, its configuration, its reloads."""
