"""Rollouts tried on real engines, with faults put in on purpose: to be shown, and measured."""
