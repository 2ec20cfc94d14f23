"""`./querylake up`: builds what it needs, runs the API and a CPU engine, and stops both.

Standard library only, run from source: it is what builds everything else.
"""
