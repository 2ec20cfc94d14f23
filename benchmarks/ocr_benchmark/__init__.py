"""Measures how well and how fast documents become text, beside Tesseract and OCRmyPDF."""
