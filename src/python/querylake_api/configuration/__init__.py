"""From a file and the environment to checked settings."""
