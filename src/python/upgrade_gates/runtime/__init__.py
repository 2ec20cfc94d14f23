"""Gate 2: the engine's own environment, asked about itself and judged against its lock."""
