"""Gate 6: smoke tests through the API, and what its records of rollouts show."""
