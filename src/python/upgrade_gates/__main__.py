"""`python -m upgrade_gates`."""

from __future__ import annotations

from upgrade_gates.cli import main

if __name__ == "__main__":
    main()
