"""The models of the RapidOCR wheel (PP-OCR), run so that they cost less than in its pipeline.

What differs: detection at a size that fits the type, lines recognised singly without padding and
set narrower, no classifier of orientation (recognition itself tells), memory kept between runs.
"""
