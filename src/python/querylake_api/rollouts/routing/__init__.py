"""Which stack a request goes to, and what became of it."""
