"""QueryLake's OpenAI-compatible API: a gateway in front of inference engines, reached over HTTP."""
