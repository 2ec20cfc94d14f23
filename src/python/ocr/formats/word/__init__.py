"""DOCX files (ISO/IEC 29500-1, WordprocessingML)."""
