"""Gate 5: the API's own environment, and whether it boots and reaches what it needs."""
