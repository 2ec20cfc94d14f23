"""The gates of a dependency upgrade: what each asks for, and whether it holds."""
