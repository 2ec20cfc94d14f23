"""The operator's page for rollouts: static files, no build step, nothing from the network."""
