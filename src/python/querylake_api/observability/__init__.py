"""What operators see of the running API: logs and metrics."""
