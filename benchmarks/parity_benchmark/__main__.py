"""Runs the benchmark."""

from parity_benchmark.cli import app

app()
