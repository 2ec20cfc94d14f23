"""Gateways side by side: what each adds to an engine's answer, in time and in processor time."""
