"""API keys: who may call, with what, until when."""
