"""Rollouts: a model's new stack gets a growing share of its traffic, and is judged all the way."""
