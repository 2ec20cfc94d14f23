"""What this machine says about itself: one module for each source.

A source is read by running a command or opening a file, and what it said is kept as it was
(`output`). What it means is found by a pure parser, from text alone, so that a record made last
week is understood in the same way as one made now. Parsers never raise: what they do not know is
kept as unknown.
"""
