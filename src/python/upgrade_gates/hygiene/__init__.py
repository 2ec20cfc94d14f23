"""Gate 7: locks, split stacks, consistency, reproducibility, and bills of materials."""
