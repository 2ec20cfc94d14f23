"""`python -m cpu_runtime`, and the entry of cpu_runtime.pex."""

from __future__ import annotations

from cpu_runtime.cli import main

if __name__ == "__main__":
    main()
