"""Compiling Python modules to C: `python -m native_modules --help`."""
