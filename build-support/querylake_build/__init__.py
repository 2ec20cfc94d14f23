"""Build tools: locks and boundary checks. Standard library only, so that they run before any build."""
