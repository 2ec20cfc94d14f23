"""Whether the API lives, and whether what it depends on answers."""
