"""Gate 4: the API answers through the provider boundary, and imports no engine."""
