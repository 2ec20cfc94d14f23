"""Gate 0: which set of driver, CUDA, torch and vLLM this host can have, and who changes it when."""
