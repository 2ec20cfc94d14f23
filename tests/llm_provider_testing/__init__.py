"""Test doubles of engines, for the tests of everything that talks to one."""
