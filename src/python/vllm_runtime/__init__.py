"""vLLM's own server in a supervised child process, and the check of its environment."""
