"""`python -m prefix_benchmark`."""

from prefix_benchmark.cli import main

if __name__ == "__main__":
    main()
