"""Waiting in tests: for what is to come, and how long at most."""
