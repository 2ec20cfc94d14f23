"""`vllm_runtime serve` on real vLLM."""
