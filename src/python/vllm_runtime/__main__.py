"""`python -m vllm_runtime`, and the entry point of both PEXes."""

from __future__ import annotations

import sys

from vllm_runtime.cli import main

if __name__ == "__main__":
    sys.exit(main())
