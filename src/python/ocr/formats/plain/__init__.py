"""Text without a format of its own, and formats that are written as text: Markdown, CSV."""
