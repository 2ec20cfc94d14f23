"""The build's own tools. Standard library only: they run before any environment exists."""
