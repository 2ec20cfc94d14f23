"""Gate 1: the driver's packages, the scripts that a person runs, and what is true afterwards."""
