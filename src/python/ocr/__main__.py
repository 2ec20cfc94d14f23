"""`python -m ocr`."""

from __future__ import annotations

from ocr.cli import main

if __name__ == "__main__":
    main()
