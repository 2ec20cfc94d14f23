"""Processes that read pages: what strangers have written may break them, and nothing else."""
