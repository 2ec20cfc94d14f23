"""The pages of docs/reference on the API's settings and metrics."""
