"""Gate 3: an engine's conformance to the protocol, and its baseline."""
