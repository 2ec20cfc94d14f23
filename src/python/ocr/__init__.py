"""OCR as a stack of its own: documents in, Markdown and blocks of text out."""
