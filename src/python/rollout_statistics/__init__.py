"""Judging a canary: sequential statistics that may be looked at after every request.

Pure: no clock, no I/O, nothing but the standard library. `docs/rollout-statistics.md` says which
method decides what, and shows the simulation that it was chosen by.
"""
