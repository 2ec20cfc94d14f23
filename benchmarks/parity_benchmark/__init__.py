"""What answer parity finds on real engines, and what it leaves alone: docs/parity-measured.md."""
