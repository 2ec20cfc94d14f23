"""`python -m querylake_build.house`."""

from querylake_build.house.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
