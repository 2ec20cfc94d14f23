"""Requests to models: which engine serves them, and how bytes get there and back."""
