"""The id of the checklist's line on parity, for whoever needs no more of it."""

LINE = "3.parity"
