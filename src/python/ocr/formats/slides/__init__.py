"""PPTX files (ISO/IEC 29500-1, PresentationML)."""
