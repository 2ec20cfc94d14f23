"""Documents in, pages with Markdown and blocks out."""
