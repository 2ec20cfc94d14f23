"""The HTTP/1.1 server: connections of clients, one exchange a request, ASGI's types."""
