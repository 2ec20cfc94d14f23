"""The text that a PDF brings along, and whether it can be trusted."""
