"""`python -m ocr_benchmark`."""

from ocr_benchmark.cli import main

if __name__ == "__main__":
    main()
