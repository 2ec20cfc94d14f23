"""`python -m querylake_api`."""

from __future__ import annotations

from querylake_api.cli import main

if __name__ == "__main__":
    main()
