"""Real vLLM on a CPU, for tests: what `build-support/vllm-cpu` makes."""
