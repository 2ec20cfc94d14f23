"""Small real models on a CPU behind an OpenAI-compatible API. Imports nothing else of QueryLake."""
