"""`python -m querylake_build.locks`."""

from querylake_build.locks.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
