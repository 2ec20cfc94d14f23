"""Showing that no stack holds what it must not: sources, locks, Pants' rules, and the built API."""
