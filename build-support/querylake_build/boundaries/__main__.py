"""`python -m querylake_build.boundaries`."""

from querylake_build.boundaries.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
