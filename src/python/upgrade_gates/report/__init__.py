"""The state of an upgrade as a page and as Markdown."""
