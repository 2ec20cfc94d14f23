"""The OCR service. This version says what is installed; converting documents is not part of it."""
