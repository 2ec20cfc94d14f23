"""Answer parity in traffic: requests kept for comparisons, and pairs of answers in rollouts."""
