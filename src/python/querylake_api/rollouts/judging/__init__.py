"""From what was counted to a verdict and a decision. No I/O."""
